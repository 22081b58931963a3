"""A real model behind a real endpoint, and its page in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput

from launcher.local.endpoint import Endpoint, Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "shared"))
from chromium import chromium_driver  # noqa: F401

PATIENCE = 60.0  # seconds; how slow a shared machine may be


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `glaunch show` says of a small network that has learned the sample digits."""
    home = tmp_path_factory.mktemp("trained")
    words = ["run", "mnist_mlp", "-p", "epochs=5", "-p", "optimizer=adam", "-p", "learning_rate=0.002", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "launcher", *words],
        env={**os.environ, "GLAUNCH_HOME": str(home)},
        stdout=subprocess.PIPE,
        timeout=PATIENCE * 2,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def training_images(digits_run: dict[str, Any]) -> np.ndarray:
    """The digits that `digits_run` has learned, uint8 (4000, 28, 28)."""
    return np.frombuffer(_training_file(digits_run, "images-idx3").read_bytes(), np.uint8, offset=16).reshape(
        -1, 28, 28
    )


@pytest.fixture(scope="session")
def training_labels(digits_run: dict[str, Any]) -> np.ndarray:
    """What they are, uint8 (4000,)."""
    return np.frombuffer(_training_file(digits_run, "labels-idx1").read_bytes(), np.uint8, offset=8)


def _training_file(digits_run: dict[str, Any], kind: str) -> Path:
    return next(Path(digits_run["folder"]).parents[1].rglob(f"train-{kind}-ubyte"))


@pytest.fixture(scope="session")
def start_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Endpoint]]:
    """`start_endpoint(artifact, port=0)`: a running endpoint, which is removed in the end."""
    endpoints: list[Endpoint] = []

    def start(artifact: Path, port: int = 0) -> Endpoint:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GLAUNCH_HOME", str(tmp_path_factory.mktemp("endpoint")))
            endpoints.append(Endpoint.start(artifact, settings=Settings(port=port)))
        return endpoints[-1]

    yield start
    for endpoint in endpoints:
        endpoint.remove()


@pytest.fixture(scope="session")
def digits_endpoint(digits_run: dict[str, Any], start_endpoint: Callable[..., Endpoint]) -> Endpoint:
    """It serves the model of `digits_run`; not to be stopped."""
    return start_endpoint(Path(digits_run["model"]))


@pytest.fixture
def changed_model(digits_run: dict[str, Any], tmp_path: Path) -> Callable[..., Path]:
    """`changed_model(change)`: the artifact of `digits_run` after change(its directory)."""

    def repack(change: Callable[[Path], None]) -> Path:
        directory, target = tmp_path / "changed", tmp_path / "changed.tar.gz"
        with tarfile.open(digits_run["model"]) as archive:
            archive.extractall(directory)
        change(directory)
        with tarfile.open(target, "w:gz") as archive:
            archive.add(directory, ".")
        shutil.rmtree(directory)
        return target

    return repack


@pytest.fixture
def page(driver: Any, digits_endpoint: Endpoint) -> Iterator[Page]:
    """The page of `digits_endpoint`, ready; nothing may have been refused, or raised, when the test is over."""
    page = Page(driver)
    page.open(digits_endpoint.url)
    page.wait_until(lambda: page.text("state") == "ready")
    yield page
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.fixture
def any_page(driver: Any) -> Iterator[Page]:
    """A page that may be opened at any endpoint, and meet with errors."""
    yield Page(driver)
    driver.get_log("browser")  # empties it


class Page:
    """The page as a person uses it."""

    NOTHING = "\N{EN DASH}"  # its answer before anything is drawn

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, width: int = 1280, height: int = 1000) -> None:
        """Loads it in a window of that size; as on a phone when that is narrow."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": width < 600})
        self.driver.get(url)

    def wait_until(self, condition: Callable[[], Any]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, (
                f"it did not happen in time; the page shows\n{self.text('title')}"
                + "".join(
                    f"\n{name}: {self.text(name)}" for name in ("state", "label", "note", "announcement", "problem")
                )
            )
            time.sleep(0.05)

    def find(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def text(self, name: str) -> str:
        """Of an element, whether or not it can be seen."""
        return " ".join(self.find(name).get_property("textContent").split())

    def draw(self, *strokes: list[tuple[float, float]], kind: str = "mouse") -> None:
        """Draws lines through points of the pad, which is 1 wide, with a `mouse`, `pen` or `touch`."""

        pad = self.find("pad")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'nearest'})", pad)
        side = pad.rect["width"]
        for stroke in strokes:
            actions = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=15)
            pointer = actions.pointer_action
            for number, (x, y) in enumerate(stroke):
                pointer.move_to(pad, round((x - 0.5) * side), round((y - 0.5) * side))
                if number == 0:
                    pointer.pointer_down()
            pointer.pointer_up()
            actions.perform()

    def press(self, *keys: str, held: str | None = None) -> None:
        """Presses keys one after the other, wherever the focus is."""

        actions = ActionChains(self.driver, duration=0)
        if held:
            actions.key_down(held)
        actions.send_keys(*keys)
        if held:
            actions.key_up(held)
        actions.perform()

    def pixels(self, selector: str = "#seen") -> list[int]:
        """The levels of grey, 0 to 255, of a small image."""
        canvas = self.driver.find_element("css selector", selector)
        return self.driver.execute_script(
            "const {data} = arguments[0].getContext('2d').getImageData(0, 0, 28, 28);"
            "return Array.from({length: 784}, (_, i) => data[4 * i]);",
            canvas,
        )

    def run(self, code: str, *values: Any) -> Any:
        """Evaluates the body of an asynchronous function of `values` in the page: what it returns."""
        answer = self.driver.execute_async_script(
            f"const done = arguments[arguments.length - 1]; const values = [...arguments];"
            f"(async () => {{{code}}})().then((value) => done({{value}}), (error) => done({{error: String(error)}}));",
            *values,
        )
        assert "error" not in answer, answer
        return answer["value"]
