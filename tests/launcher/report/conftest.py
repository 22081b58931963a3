"""A real run and its report, and a real browser to look at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher import data

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "shared"))
from chromium import chromium_driver  # noqa: F401

HOSTILE = "<script>document.title='taken'</script>\"><img src=x onerror=\"document.title='taken'\">"
CONTRAST = """
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
      const [r, g, b] = parse(colour).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      for (; element; element = element.parentElement) {
        const colour = getComputedStyle(element).backgroundColor;
        if (colour.startsWith("rgb(")) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const low = [];
    const kinds = "p, li, th, td, a, b, h1, h2, h3, summary, svg text, label, option";
    for (const element of document.querySelectorAll(kinds)) {
      const style = getComputedStyle(element);
      const colour = element.closest("svg") ? style.fill : style.color;
      if (!element.textContent.trim() || element.closest("[hidden]")) continue;
      const [a, b] = [light(colour), light(ground(element))].sort((x, y) => y - x);
      if ((a + 0.05) / (b + 0.05) < 4.5) low.push([element.tagName, element.textContent.slice(0, 30), colour]);
    }
    return low;
"""
LACKING = """
    const lacks = [];
    const names = document.querySelectorAll("img:not([alt]), img[alt=''], [role=img]:not([aria-label])");
    lacks.push(...names);
    for (const svg of document.querySelectorAll("svg")) if (!svg.closest("[role=img]")) lacks.push(svg);
    for (const box of document.querySelectorAll(".scroller")) if (box.tabIndex < 0) lacks.push(box);
    const tables = [...document.querySelectorAll("table")];
    lacks.push(...tables.filter((table) => !table.querySelector("th[scope]")));
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    lacks.push(...ids.filter((id, i) => ids.indexOf(id) !== i));
    for (const link of document.querySelectorAll("a"))
      if (!document.querySelector(link.getAttribute("href"))) lacks.push(link);
    return lacks.map((one) => one.outerHTML || one);
"""
LABELS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "a & b", HOSTILE]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `glaunch show` says of a small network that has learned the sample digits, classes of hostile names.

    Its home is `home`.
    """
    home = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLAUNCH_HOME", str(home))
        sample = data.sample_digits()
    shutil.copytree(sample, home / "<b>digits")
    (home / "<b>digits" / "labels.txt").write_text("\n".join(LABELS), "utf-8")
    words = ["--data", home / "<b>digits", "-p", "epochs=3", "-p", "hidden=[32]", "-p", "learning_rate=0.05"]
    done = subprocess.run(
        [sys.executable, "-m", "launcher", "run", "mnist_mlp", *words, "--json"],
        env={**os.environ, "GLAUNCH_HOME": str(home)},
        stdout=subprocess.PIPE,
        timeout=170,
        check=True,
    )
    return {**json.loads(done.stdout), "home": home}


@pytest.fixture(scope="session")
def reported(digits: dict[str, Any]) -> dict[str, Any]:
    """What `glaunch report --json` says of the run.

    Also `imported`, what it should not have imported, and `left`, the files it left in the temporary directory.
    """
    scratch = digits["home"] / "scratch"
    scratch.mkdir()
    code = (
        "import sys\nfrom launcher.cli import cli\n"
        f"cli(['report', {digits['name']!r}, '--json'], standalone_mode=False)\n"
        "print([name for name in ('mxnet', 'boto3', 'sagemaker') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GLAUNCH_HOME": str(digits["home"]), "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=170,
        check=True,
    )
    said, _, imported = done.stdout.rstrip().rpartition("\n")
    return {**json.loads(said), "imported": imported, "left": list(scratch.iterdir())}


@pytest.fixture
def pale() -> Callable[[Any], list[Any]]:
    """`pale(page)`: what stands out too little from its ground, by WCAG's contrast of 4.5."""
    return lambda page: page.execute_script(CONTRAST)


@pytest.fixture
def lacking() -> Callable[[Any], list[Any]]:
    """`lacking(page)`: pictures without words, tables without heads, scrollers out of reach, links to nowhere."""
    return lambda page: page.execute_script(LACKING)


@pytest.fixture
def open_page(driver: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(path, width=1280, scheme="light", script=True)`: the browser, with the page in it.

    When the test is over, no page may have asked for anything but itself and what is in it, or have met with an error.
    """

    def show(path: str, width: int = 1280, scheme: str = "light", script: bool = True) -> Any:
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        driver.get(Path(path).as_uri())
        return driver

    driver.get_log("performance")
    yield show
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:///", "data:"))] == []
    assert len({url for url in asked if url.startswith("file:")}) <= 3
