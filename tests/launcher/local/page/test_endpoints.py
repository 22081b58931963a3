"""Endpoints that serve something else, answer with errors, or go away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.timeout(400)  # the first test trains the model

FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
STROKE = [(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]
SCRIPT = """
def model_fn(model_dir):
    return None

def transform_fn(model, data, content_type, accept):
    return data, accept
"""


def describe(directory: Path, **changes: object) -> None:
    """Changes what the artifact says of its input and its labels."""
    path = directory / "model-metadata.json"
    metadata = json.loads(path.read_text())
    metadata["input"].update(changes.pop("input", {}))
    path.write_text(json.dumps({**metadata, **changes}))


def test_a_model_of_other_labels_says_what_it_tells_apart(any_page, changed_model, start_endpoint):
    page = any_page
    page.open(start_endpoint(changed_model(lambda directory: describe(directory, labels=FASHION))).url, 360, 740)
    page.wait_until(lambda: page.text("state") == "ready")
    assert page.text("title") == "Draw or drop an image"
    assert ", ".join(FASHION) in page.text("lead")
    assert not page.find("centre").is_selected()  # clothes fill the image: they are not centred as digits are
    page.draw(STROKE)
    page.wait_until(lambda: page.text("announcement") != "")
    assert page.text("label") in FASHION
    assert [name.text for name in page.all("#bars .class")] == FASHION
    assert page.driver.execute_script("return document.documentElement.scrollWidth") == 360


def test_an_endpoint_of_a_script_says_how_to_call_it(any_page, start_endpoint, changed_model):
    def replace_code(directory: Path) -> None:
        for path in (directory / "code").glob("*.py"):
            path.unlink()
        (directory / "code" / "inference.py").write_text(SCRIPT)

    page, endpoint = any_page, start_endpoint(changed_model(replace_code))
    page.open(endpoint.url)
    page.wait_until(lambda: page.text("state") == "ready")
    assert not page.find("drawn").is_displayed()
    assert "inference.py decides what it takes" in page.text("lead")
    assert f"curl {endpoint.url}invocations" in page.find("call-code").text


def test_a_model_without_a_script_is_not_drawn_for(any_page, start_endpoint, changed_model):
    def drop_code(directory: Path) -> None:
        shutil.rmtree(directory / "code")

    page = any_page
    page.open(start_endpoint(changed_model(drop_code)).url)
    page.wait_until(lambda: page.text("state") == "ready")
    assert not page.find("drawn").is_displayed()
    assert "came without a script, and answers samples of 1 \N{MULTIPLICATION SIGN} 28" in page.text("lead")
    assert "samples.npy" in page.find("call-code").text


def test_the_words_of_a_refusal_are_shown_and_the_next_answer_takes_them_away(any_page, digits_endpoint):
    page = any_page
    page.open(digits_endpoint.url)
    page.wait_until(lambda: page.text("state") == "ready")
    # A real refusal of the real server, which the page itself gives no cause for.
    page.run("window.sound = fetch; window.fetch = (url, rest) => sound(url, {...rest, body: '[[1, 2, 3]]'});")
    page.draw(STROKE)
    page.wait_until(lambda: "784 values" in page.text("problem"))
    assert page.find("problem").is_displayed()
    assert page.find("problem").get_attribute("role") == "alert"
    assert page.text("state") == "no answer"
    page.run("window.fetch = sound;")
    page.draw([(0.5, 0.5), (0.5, 0.6)])
    page.wait_until(lambda: page.text("state") == "ready")
    assert page.text("problem") == ""
    assert page.text("label") == "1"


def test_an_endpoint_that_went_away_is_said_to_and_answers_again_when_it_is_back(any_page, digits_run, start_endpoint):
    page, artifact = any_page, Path(digits_run["model"])
    endpoint = start_endpoint(artifact)
    url = endpoint.url
    page.open(url)
    page.wait_until(lambda: page.text("state") == "ready")
    endpoint.stop()
    page.draw(STROKE)
    page.wait_until(lambda: "does not answer" in page.text("problem"))
    assert page.text("label") == page.NOTHING
    start_endpoint(artifact, urlsplit(url).port)
    page.wait_until(lambda: page.text("announcement").startswith("1, "))
    assert page.text("problem") == ""
