"""The verbs of endpoints: serve a trained model, look at what is served, call it, load it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launcher.commands import aws_endpoints
from launcher.commands.endpoint_options import AWS, deploy_options
from launcher.commands.shared import (
    complete_endpoint,
    complete_run,
    console,
    json_option,
    on_option,
    profile_option,
    say,
)
from launcher.errors import JobFailed, UserError

if TYPE_CHECKING:
    from launcher.cloud.invocation import Client as AwsClient
    from launcher.local.client import Client
    from launcher.local.endpoint import Endpoint
    from launcher.payload import Payload


@click.command()
@click.argument("model", metavar="[RUN|MODEL.tar.gz]", required=False, shell_complete=complete_run)
@click.option("--name", help="Of the endpoint; the job's by default.")
@click.option("--detach", is_flag=True, help="Return when it serves, on AWS at once; it goes on.")
@deploy_options
@json_option
def deploy(
    model: str | None, name: str | None, detach: bool, as_json: bool, on: str, profile: str, here: Any, there: Any
) -> None:
    """Serve a trained model, on this machine or on SageMaker.

    As SageMaker's container does: GET /ping and POST /invocations. The latest run's model by default; on this machine
    a page to try it is at the endpoint's address. With --on aws the model is first loaded here and asked one thing.

    \b
    glaunch deploy
    glaunch deploy mnist-cnn-2026-01-31 --workers 2 --detach
    glaunch deploy model.tar.gz --port 9000
    glaunch deploy --on aws --serverless --memory 2048
    glaunch deploy mnist-cnn-2026-01-31 --on aws --autoscale 1:4 --expires 2h
    """
    if on == AWS:
        aws_endpoints.deploy(model, name, profile, detach, as_json, there)
        return
    from launcher import endpoint_tables, serving
    from launcher.local.endpoint import Endpoint
    from launcher.local.service import Settings

    artifact, base, program = serving.find(model)
    made = Settings(**here, environment=serving.environment(program))
    endpoint = Endpoint.start(artifact, name or _free_name(base), made, detach=detach)
    try:
        if as_json:
            say(True, endpoint_tables.endpoint_as_object(endpoint), "")
        else:
            click.echo(f"{endpoint.name} serves at {endpoint.url}" + ("" if detach else " (Ctrl-C stops it)"))
            _warn(endpoint)
        if not detach:
            _attend(endpoint, made.workers, quiet=as_json)
    except BaseException:
        if not detach:
            _stop(endpoint)
        raise


@click.command()
@on_option
@profile_option
@json_option
def endpoints(on: str, profile: str, as_json: bool) -> None:
    """List the endpoints of this machine, or of the stack on SageMaker, the latest first.

    \b
    glaunch endpoints
    glaunch endpoints --on aws
    """
    if on == AWS:
        aws_endpoints.list_endpoints(profile, as_json)
        return
    from launcher import endpoint_tables
    from launcher.local.endpoint import Endpoint

    found = Endpoint.all()
    for one in found:
        one.sweep()
    if as_json:
        say(True, [endpoint_tables.object_or_error(one) for one in found], "")
    elif found:
        endpoint_tables.print_endpoints(found, console())
    else:
        click.echo("no endpoints yet: try `glaunch deploy`")


@click.command()
@click.argument("name", metavar="ENDPOINT", shell_complete=complete_endpoint)
@click.argument("words", metavar="FILE...", nargs=-1, required=True)
@click.option("--range", "rows", metavar="FIRST:END", help="Which samples of an IDX file; END is not one of them.")
@click.option("--draw", "target", metavar="OUT.png", type=click.Path(path_type=Path), help="Boxes, on the picture.")
@on_option
@profile_option
@json_option
def predict(
    name: str, words: tuple[str, ...], rows: str | None, target: Path | None, on: str, profile: str, as_json: bool
) -> None:
    """Send files to an endpoint, and print its answers.

    A file is a .png, .jpg, .npy, .csv or .json, or in the IDX format, of which a range is taken.

    \b
    glaunch predict mnist-mlp digit.png
    glaunch predict mnist-mlp t10k-images-idx3-ubyte.gz:0-9
    glaunch predict mnist-mlp digit.png --on aws
    glaunch predict object-detector street.jpg --draw found.png
    """
    from launcher import draw, endpoint_tables, payload
    from launcher.local.endpoint import Endpoint

    if target:
        draw.check_target(target, len(words))
    payloads = [payload.read(word, rows) for word in words]
    with aws_endpoints.client(name, profile) if on == AWS else Endpoint.find(name).client as client:
        answers = []
        for one in payloads:
            answers.append(_answer(client, one))
            if target:
                draw.draw(one.body, draw.objects(answers[-1]["answer"]), target)
            if not as_json:
                for line in endpoint_tables.prediction_lines(one.name, answers[-1]["answer"]):
                    click.echo(line)
        if as_json:
            say(True, answers, "")


@click.command()
@click.argument("name", metavar="ENDPOINT", shell_complete=complete_endpoint)
@click.argument("word", metavar="[FILE]", required=False)
@click.option("--connections", default="1,4,16,64", show_default=True, help="How many at a time, step by step.")
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=3.0, show_default=True, help="Of each step.")
@click.option("--range", "rows", metavar="FIRST:END", help="Which samples of an IDX file.")
@json_option
def bench(name: str, word: str | None, connections: str, seconds: float, rows: str | None, as_json: bool) -> int:
    """Measure how fast an endpoint answers.

    Every connection sends the same request again as soon as it is answered: a file's, or one random sample as JSON.

    \b
    glaunch bench mnist-mlp
    glaunch bench mnist-mlp digits.npy --connections 1,16 --seconds 10
    """
    from launcher import bench, endpoint_tables, payload
    from launcher.local.endpoint import Endpoint

    endpoint = Endpoint.find(name)
    if not re.fullmatch(r"[1-9]\d{0,3}(,[1-9]\d{0,3})*", connections):
        raise UserError(f"--connections {connections}: expected numbers up to 9999, as in 1,4,16")
    request = payload.read(word, rows) if word else bench.sample(endpoint)
    steps = []
    for step in bench.run(endpoint.url, request, [int(number) for number in connections.split(",")], seconds):
        steps.append(step)
        if not as_json:
            click.echo(endpoint_tables.step_line(step))
    if as_json:
        say(True, [endpoint_tables.step_as_object(step) for step in steps], "")
    return JobFailed.exit_status if any(step.errors for step in steps) else 0


def _free_name(base: str) -> str:
    """The name, with a number if an endpoint of that name is running."""
    from launcher.local.endpoint import Endpoint

    running = {one.name for one in Endpoint.all() if one.is_running}
    names = [base, *(f"{base}-{number}" for number in range(2, len(running) + 2))]
    return next(name for name in names if name not in running)


def _warn(endpoint: Endpoint) -> None:
    """Says what would be different on SageMaker."""
    with endpoint.client as client:
        warning = client.describe().get("warning")
    if warning:
        click.secho(warning, fg="yellow", err=True)


def _attend(endpoint: Endpoint, workers: int, quiet: bool) -> None:
    """Shows what the endpoint logs until it ends."""
    from launcher import log
    from launcher.local.service import FAILED

    reasons: list[str] = []

    def is_over() -> bool:
        try:
            status = endpoint.status
        except UserError:  # it was ended and removed
            return True
        reasons[:] = [status.reason] if status.state == FAILED else []
        return status.is_over

    logs = [endpoint.log(kind, number) for kind in ("worker", "access") for number in range(workers)]
    for _, line in log.follow({path.name: path for path in logs}, is_over):
        if not quiet:
            click.echo(line)
    if reasons:
        raise JobFailed(f"{endpoint.name}: {reasons[0]}")


def _stop(endpoint: Endpoint) -> None:
    click.secho(f"stopping {endpoint.name} (Ctrl-C again: at once)", fg="yellow", err=True)
    try:
        endpoint.remove()
    except KeyboardInterrupt:
        endpoint.remove(deadline=0)


def _answer(client: Client | AwsClient, payload: Payload) -> dict[str, Any]:
    from launcher.local.client import NPY

    reply = client.invoke(payload.body, payload.content_type)
    answer = reply.decoded()
    if isinstance(answer, bytes):
        answer = answer.decode("utf-8", "replace")
    elif reply.content_type.startswith(NPY):
        answer = answer.tolist()
    return {"file": payload.name, "content_type": reply.content_type, "answer": answer}
