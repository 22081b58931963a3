"""The one thread that calls the model: batches, limits, and scripts that go wrong."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from launcher.errors import UserError
from launcher.local.batcher import Batcher, ClosedError, OverdueError, QueueFullError
from launcher.local.model import Answer, Request


class Model:
    """Answers each request with its body and the size of its batch; a body `wait` waits for `gate`."""

    def __init__(self, batch_limit=1, *, is_ours=False):
        self.batch_limit, self.is_ours = batch_limit, is_ours
        self.gate = threading.Event()
        self.calls = []
        self.threads = set()

    def answer(self, requests):
        self.calls.append([request.body for request in requests])
        self.threads.add(threading.get_ident())
        if requests[0].body == b"wait":
            self.gate.wait(30)
        return [self.answer_one(request) for request in requests]

    def answer_one(self, request):
        if request.body.startswith(b"raise"):
            return StopIteration("no more")
        return Answer(request.body, request.accept)

    def warm_up(self):
        self.threads.add(threading.get_ident())

    def describe(self):
        return {"kind": "script"}


def request(body):
    return Request(body, "text/plain", "text/plain")


def serve(model, scenario, **limits):
    """Runs `scenario(batcher)` in an event loop; `model` may be an exception that loading raises."""

    def load():
        if isinstance(model, BaseException):
            time.sleep(0.1)
            raise model
        return model

    async def run():
        batcher = Batcher(load, **{"limit": 30, "room": 100, "bytes_room": 10**6, **limits})
        try:
            return await asyncio.wait_for(scenario(batcher), 20)
        finally:
            getattr(model, "gate", threading.Event()).set()

    return asyncio.run(run())


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def test_every_answer_belongs_to_its_request():
    async def scenario(batcher):
        bodies = [b"%d" % number for number in range(100)]
        answers = await asyncio.gather(*(batcher.submit(request(body)) for body in bodies))
        assert [answer.body for answer in answers] == bodies
        assert batcher.waiting == 0

    serve(Model(batch_limit=7), scenario)


def test_one_thread_loads_warms_up_and_answers():
    model = Model()

    async def scenario(batcher):
        for _ in range(3):
            await batcher.submit(request(b"1"))

    serve(model, scenario)
    assert len(model.threads) == 1
    assert model.threads != {threading.get_ident()}


def test_a_quick_call_of_our_own_code_needs_no_other_thread():
    model = Model(is_ours=True)

    async def scenario(batcher):
        await batcher.submit(request(b"1" * 1000))  # until one is known to be quick
        model.threads.clear()
        assert (await batcher.submit(request(b"2"))).body == b"2"

    serve(model, scenario)
    assert model.threads == {threading.get_ident()}


def test_a_slow_call_of_our_own_code_leaves_the_event_loop_free():
    class SlowModel(Model):
        def answer(self, requests):
            time.sleep(0.05)
            return super().answer(requests)

    model = SlowModel(is_ours=True)

    async def scenario(batcher):
        for _ in range(3):
            await batcher.submit(request(b"1"))

    serve(model, scenario)
    assert threading.get_ident() not in model.threads


def test_a_call_that_was_slow_once_is_tried_in_the_event_loop_again_later():
    class OnceSlowModel(Model):
        def answer(self, requests):
            time.sleep(0.0 if self.calls else 0.05)
            return super().answer(requests)

    model = OnceSlowModel(is_ours=True)

    async def scenario(batcher):
        while threading.get_ident() not in model.threads:
            await batcher.submit(request(b"1"))

    serve(model, scenario)


def test_what_comes_while_the_model_is_busy_is_answered_together():
    model = Model(batch_limit=4)

    async def scenario(batcher):
        first = batcher.submit(request(b"wait"))
        await until(lambda: model.calls)
        rest = [batcher.submit(request(b"%d" % number)) for number in range(6)]
        model.gate.set()
        await asyncio.gather(first, *rest)
        assert batcher.batches == 3

    serve(model, scenario)
    assert model.calls == [[b"wait"], [b"0", b"1", b"2", b"3"], [b"4", b"5"]]


def test_a_script_that_answers_one_at_a_time_is_never_given_two():
    model = Model(batch_limit=1)

    async def scenario(batcher):
        await asyncio.gather(*(batcher.submit(request(b"1")) for _ in range(5)))

    serve(model, scenario)
    assert model.calls == [[b"1"]] * 5


def test_an_exception_is_the_answer_of_its_request_alone():
    async def scenario(batcher):
        raised, answered = await asyncio.gather(batcher.submit(request(b"raise")), batcher.submit(request(b"1")))
        assert isinstance(raised, StopIteration)
        assert answered.body == b"1"

    serve(Model(batch_limit=2), scenario)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_a_model_that_raises_is_asked_again(error):
    model = Model()
    answer = model.answer

    def raise_once(requests):
        model.answer = answer
        raise error

    model.answer = raise_once

    async def scenario(batcher):
        assert isinstance(await batcher.submit(request(b"1")), Exception)
        assert (await batcher.submit(request(b"2"))).body == b"2"

    serve(model, scenario)


def test_a_model_that_answers_too_few_fails_all_of_them():
    model = Model(batch_limit=2)
    model.answer = lambda _: []

    async def scenario(batcher):
        assert isinstance(await batcher.submit(request(b"1")), RuntimeError)

    serve(model, scenario)


@pytest.mark.parametrize(("room", "bytes_room"), [(3, 10**6), (100, 14)])
def test_a_full_queue_refuses_and_has_room_again_later(room, bytes_room):
    model = Model()

    async def scenario(batcher):
        accepted = [batcher.submit(request(b"wait")) for _ in range(3)]
        with pytest.raises(QueueFullError):
            batcher.submit(request(b"123"))
        model.gate.set()
        await asyncio.gather(*accepted)
        assert (await batcher.submit(request(b"123"))).body == b"123"

    serve(model, scenario, room=room, bytes_room=bytes_room)


def test_a_call_over_the_limit_is_stuck_and_what_waits_behind_it_is_refused():
    model = Model()

    async def scenario(batcher):
        stuck = batcher.submit(request(b"wait"))
        await asyncio.sleep(0.2)
        behind = batcher.submit(request(b"1"))
        while not batcher.is_stuck:
            batcher.watch()
            await asyncio.sleep(0.01)
        assert isinstance(await stuck, OverdueError)
        assert isinstance(await behind, ClosedError)
        with pytest.raises(ClosedError):
            batcher.submit(request(b"2"))

    serve(model, scenario, limit=0.3)


def test_a_request_that_waited_and_is_then_in_work_for_too_long_is_overdue_and_nobody_is_stuck():
    model = Model()
    model.answer_one = lambda one: time.sleep(0.3) or Answer(one.body, "")

    async def scenario(batcher):
        answers = [batcher.submit(request(b"%d" % number)) for number in range(2)]
        while not all(answer.done() for answer in answers):
            batcher.watch()
            await asyncio.sleep(0.01)
        assert answers[0].result().body == b"0"
        assert isinstance(answers[1].result(), OverdueError)
        assert not batcher.is_stuck

    serve(model, scenario, limit=0.45)


def test_a_request_that_waited_too_long_is_not_computed_and_nobody_is_stuck():
    model = Model()
    model.answer_one = lambda one: time.sleep(0.1) or Answer(one.body, "")

    async def scenario(batcher):
        answers = [batcher.submit(request(b"%d" % number)) for number in range(10)]
        while not all(answer.done() for answer in answers):
            batcher.watch()
            await asyncio.sleep(0.01)
        assert not batcher.is_stuck
        overdue = [isinstance(answer.result(), OverdueError) for answer in answers]
        assert overdue == sorted(overdue)
        assert not overdue[0]
        assert overdue[-1]
        assert (await batcher.submit(request(b"last"))).body == b"last"

    serve(model, scenario, limit=0.35)
    assert len(model.calls) < 11


def test_requests_wait_for_a_model_that_is_being_loaded():
    model = Model()
    model.warm_up = lambda: time.sleep(0.2)

    async def scenario(batcher):
        assert batcher.description is None
        assert (await batcher.submit(request(b"1"))).body == b"1"
        assert batcher.description == {"kind": "script"}
        assert batcher.settled.is_set()

    serve(model, scenario)


@pytest.mark.parametrize(
    ("error", "failure"),
    [(ValueError("no net"), "its script raised ValueError('no net')"), (UserError("no code."), "no code.")],
)
def test_a_model_that_cannot_be_loaded_refuses_who_waits_and_says_why(error, failure):
    async def scenario(batcher):
        assert isinstance(await batcher.submit(request(b"1")), ClosedError)
        assert batcher.failure == failure
        assert batcher.settled.is_set()
        with pytest.raises(ClosedError):
            batcher.submit(request(b"1"))

    serve(error, scenario)


def test_a_client_that_is_gone_costs_no_call():
    model = Model()

    async def scenario(batcher):
        first = batcher.submit(request(b"wait"))
        await until(lambda: model.calls)
        gone = batcher.submit(request(b"gone"))
        gone.cancel()
        model.gate.set()
        await asyncio.gather(first, batcher.submit(request(b"1")))

    serve(model, scenario)
    assert model.calls == [[b"wait"], [b"1"]]
