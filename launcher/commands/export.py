"""The verb that takes a trained model out of MXNet."""

from __future__ import annotations

from pathlib import Path

import click

from launcher.commands.shared import json_option, run_argument, say


@click.command()
@run_argument
@click.option("--to", "form", type=click.Choice(["onnx"]), default="onnx", show_default=True, help="The format.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, instead of the run's own.")
@json_option
def export(run_name: str | None, form: str, output: Path | None, as_json: bool) -> None:
    """Export the model of a run as ONNX.

    Its answers are compared with MXNet's first, on training samples of the run. The latest run by default.

    \b
    glaunch export mnist-mlp-2026-01-31 --to onnx --output digits.onnx
    """
    from launcher import export as exporting
    from launcher.run import Run

    exported = exporting.to_onnx(Run.find(run_name), output)
    say(as_json, {"format": form, **exported._asdict(), "path": str(exported.path)}, str(exported))
