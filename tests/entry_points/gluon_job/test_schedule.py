import pytest

from gluon_job.schedule import learning_rate

VALUES = {
    "learning_rate": 0.1,
    "epochs": 10,
    "schedule": "constant",
    "step_epochs": [],
    "step_factor": 0.5,
    "warmup_epochs": 0,
}


def rates(steps_per_epoch=4, **values):
    """The learning rate at the first step of each epoch."""
    values = {**VALUES, **values}
    return [learning_rate(values, epoch * steps_per_epoch, steps_per_epoch) for epoch in range(values["epochs"])]


def test_a_constant_rate_stays():
    assert rates() == [0.1] * 10


def test_steps_lower_the_rate_from_their_epochs_on():
    assert rates(epochs=6, schedule="step", step_epochs=[2, 4]) == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_steps_in_any_order_are_the_same():
    assert rates(schedule="step", step_epochs=[7, 3]) == rates(schedule="step", step_epochs=[3, 7])


def test_a_cosine_falls_from_the_rate_towards_nothing():
    found = rates(schedule="cosine")
    assert found[0] == 0.1
    assert found[5] == pytest.approx(0.05)
    assert found == sorted(found, reverse=True)
    last = learning_rate({**VALUES, "schedule": "cosine"}, 10 * 4 - 1, 4)
    assert 0 < last < 0.001


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_the_rate_rises_in_equal_steps_while_warming_up(schedule):
    values = {**VALUES, "warmup_epochs": 2, "schedule": schedule}
    found = [learning_rate(values, step, 2) for step in range(6)]
    assert found[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert found[4] == pytest.approx(0.1)


def test_a_cosine_after_warming_up_ends_at_the_same_place():
    assert rates(schedule="cosine", warmup_epochs=2)[6] == pytest.approx(0.05)


def test_a_training_that_only_warms_up_is_possible():
    assert rates(schedule="cosine", epochs=2, warmup_epochs=2) == pytest.approx([0.0125, 0.0625])
