"""The report of a detector whose answers are known, and its page in a real browser."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import quarters
from PIL import Image
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from launcher import library
from launcher.job import Channel, TrainingJob
from launcher.report import examination, page, run_report
from launcher.run import COMPLETED, Run, Status

NAMES = "a & b", "<script>document.title='taken'</script>"
METRICS = '{"host": "algo-1", "name": "%s", "epoch": %d, "value": %g}\n'


@pytest.fixture(scope="session")
def detected(tmp_path_factory):
    """A run whose model finds bright blocks, its report, and where that is written."""
    home = tmp_path_factory.mktemp("detected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLAUNCH_HOME", str(home / "home"))
        data = quarters.write(home / "data", names=NAMES)
        given = {"epochs": 2, "warmup_epochs": 0}
        script = library.find_script("object_detector")
        run = Run.create(TrainingJob(script, hyperparameters=given, channels={"training": Channel(data)}))
        run.write_status(Status(COMPLETED, 1.0, started=1.0, ended=3.0, metrics={"validation:map": 0.5}))
        lines = [("train:loss", 0, 9), ("train:loss", 1, 5), ("validation:map", 0, 0.25), ("validation:map", 1, 0.5)]
        run.metrics.write_text("".join(METRICS % line for line in lines))
        run.log("algo-1").write_text("Training on 1 samples: 2 epochs of 3 batches, 0 parameters, 1 thread(s).\n")
        (home / "model").mkdir()
        environment = {**os.environ, "PYTHONPATH": str(library.directory())}
        making = [sys.executable, quarters.__file__, home / "model", *NAMES]
        subprocess.run(making, env=environment, timeout=100, check=True)
        with tarfile.open(run.model, "w:gz") as archive:
            archive.add(home / "model", ".")
        document = run_report.make(run)
        index, *figures = page.write(document, home / "report")
    return {"document": document, "index": index, "figures": figures}


def rows(shown, selector):
    cells = "[...row.children].map((cell) => cell.textContent.trim())"
    found = f"return [...document.querySelectorAll({selector!r} + ' tbody tr')].map((row) => {cells})"
    return shown.execute_script(found)


def test_the_numbers_are_those_of_arithmetic(detected, open_page):
    summary = detected["document"].summary
    assert summary["problems"] == []
    assert summary["map"] == pytest.approx(((1 + 2 / 3 + 3 / 5) / 3 + 2 / 3) / 2)
    assert (summary["objects"], summary["found"], summary["false"]) == (6, 3, 2)
    shown = open_page(detected["index"])
    assert rows(shown, "#classes table") == [
        [NAMES[0], "75.6 %", "3", "2", "1", "2", "50.0 %", "66.7 %", "75.0 %", "26.5 %"],
        [NAMES[1], "66.7 %", "3", "1", "2", "0", "100.0 %", "33.3 %", "80.0 %", "26.5 %"],
    ]
    text = shown.find_element("id", "classes").text
    assert "mean average precision is 71.11 % on the 5 validation pictures" in text
    assert "3 are right, 2 false; 3 of the 6 objects are missed" in text
    tiles = shown.find_element("css selector", ".tiles").text
    assert "50.00 %\nvalidation mAP, last epoch" in tiles
    assert "3 of 6\nvalidation objects found" in tiles


def test_it_has_the_figures_of_a_run_and_those_of_a_detector(detected):
    names = {path.name for path in detected["figures"]}
    assert names == {
        *("loss.png", "map.png", "learning-rate.png", "precision-recall.png", "classes.png"),
        *("mistakes.png", "samples.png"),
    }
    for path in detected["figures"]:
        with Image.open(path) as picture:
            assert min(picture.size) > 200
            assert len(picture.convert("RGB").resize((99, 99)).getcolors(99 * 99)) > 10
    curve = next(figure for figure in detected["document"].figures if figure.name == "precision-recall")
    assert "a & b 75.6%" in curve.alt
    assert ">a &amp; b</text>" in curve.svg


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_the_page_fits_the_window_and_can_be_read_in_light_and_dark(detected, open_page, pale, lacking, width, scheme):
    shown = open_page(detected["index"], width, scheme)
    for details in shown.find_elements("tag name", "details"):
        shown.execute_script("arguments[0].open = true", details)
    assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    assert pale(shown) == []
    assert lacking(shown) == []
    assert shown.title != "taken"
    picture = shown.find_element("css selector", "#mistakes img")
    assert 200 < picture.rect["width"] == picture.rect["height"] < width


def mistakes(shown):
    """The name and the text of each picture that can be seen."""
    found = shown.find_elements("css selector", "#mistakes li")
    return [one.text.splitlines() for one in found if one.is_displayed()]


def test_the_pictures_with_most_mistakes_come_first_and_are_filtered_by_class(detected, open_page):
    shown = open_page(detected["index"], 390)
    worst = ["val2.png", "0 of 3 found", f"missed {NAMES[1]}, {NAMES[0]}, {NAMES[1]}", f"false {NAMES[0]} 40 %"]
    other = ["val1.png", "1 of 1 found", f"false {NAMES[0]} 53 %"]
    assert mistakes(shown) == [worst, other]
    assert "All 2 pictures with mistakes" in shown.find_element("id", "mistakes").text
    Select(shown.find_element("name", "missed")).select_by_value("1")
    assert mistakes(shown) == [worst]
    assert shown.find_element("tag name", "output").text == "1 of 2 shown"
    Select(shown.find_element("name", "false")).select_by_value("1")
    assert mistakes(shown) == []
    shown.find_element("css selector", "#classes a[data-false='0']").send_keys(Keys.ENTER)
    assert mistakes(shown) == [worst, other]
    assert Select(shown.find_element("name", "missed")).first_selected_option.text == "any"
    assert shown.current_url.endswith("#mistakes")
    shown.find_element("css selector", "#classes a[data-missed='0']").send_keys(Keys.ENTER)
    assert mistakes(shown) == [worst]


def test_found_boxes_are_solid_and_true_ones_dashed_where_they_are(detected, open_page):
    shown = open_page(detected["index"])
    address = shown.find_element("css selector", "#mistakes li:nth-child(2) img").get_attribute("src")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)
    scale = len(pixels) // quarters.SIDE
    assert pixels.shape == (64 * scale, 64 * scale, 3)
    left, top, right, bottom = (side * scale for side in quarters.Block(2, 0, 240, None).box)
    edge = pixels[top + 5 : bottom - 5, left]  # false, and solid: of the colour of its class throughout
    assert np.ptp(edge, axis=0).max() < 60
    assert np.abs(edge.mean(axis=0) - pixels[top + 40, left + 40]).max() > 60
    # The other is found by a box that lies on it, so that dashes are looked for where one was missed.
    address = shown.find_element("css selector", "#mistakes li img").get_attribute("src")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).astype(int)
    left, top, right, bottom = (side * scale for side in quarters.Block(0, 1, 120, 1).box)
    edge = pixels[top, left:right].mean(axis=1)
    assert (edge > 200).sum() > 20
    assert (edge < 55).sum() > 20
    changes = np.diff((edge > 127).astype(int))
    assert np.abs(changes).sum() > 6


def test_without_script_all_mistakes_are_shown(detected, open_page):
    shown = open_page(detected["index"], script=False)
    assert len(shown.find_elements("css selector", "#mistakes li:not([hidden])")) == 2
    assert shown.find_element("css selector", ".filter").get_attribute("hidden") is not None


def test_on_paper_the_table_is_whole_and_the_filter_gone(detected, open_page):
    shown = open_page(detected["index"], 1280, "dark")
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ground, filter_, column = shown.execute_script(
        "return [getComputedStyle(document.body).backgroundColor,"
        "getComputedStyle(document.querySelector('.filter')).display,"
        "getComputedStyle(document.querySelector('#classes tbody th')).backgroundColor]"
    )
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert (ground, filter_, column) == ("rgb(255, 255, 255)", "none", "rgb(255, 255, 255)")


def test_many_classes_are_in_the_table_and_six_in_the_chart(recorded, monkeypatch, open_page, tmp_path):
    kinds = [
        {
            "objects": i,
            "found": 0,
            "right": 0,
            "average_precision": 0.5 if i else None,
            "best_f1": None,
            "best_threshold": None,
        }
        for i in range(30)
    ]
    content = {"labels": [f"a class of number {i}" for i in range(30)], "available": 9000, "pictures": 700}
    content |= {"map": 0.5, "threshold": 0.3, "mistaken": 0, "classes": kinds, "samples": [], "mistakes": []}
    arrays = {"precisions": np.full((30, 101), 0.5)}
    arrays |= {f"{kind}_pictures": np.zeros((0, 64, 64, 3), np.uint8) for kind in ("sample", "mistake")}
    found = examination.Examination({"detector": content}, arrays)
    monkeypatch.setattr(examination, "examine_all", lambda runs: [found for _ in runs])
    document = run_report.make(recorded(state=COMPLETED))
    [chart] = document.figures
    assert chart.title == "Precision over recall: 6 of 30 classes"
    drawn = [number for number in range(30) if f">a class of number {number}</text>" in chart.svg]
    assert drawn == [24, 25, 26, 27, 28, 29]
    index, *_ = page.write(document, tmp_path / "out")
    for width in (390, 1280):
        shown = open_page(index, width)
        shown.execute_script("document.querySelector('#classes details').open = true")
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
    assert rows(shown, "#classes table")[0][:2] == ["a class of number 0", "\N{EN DASH}"]
    assert len(rows(shown, "#classes table")) == 30
    assert (
        "on 700 of the 9,000 validation pictures, as many as there was time for"
        in shown.find_element("id", "classes").text
    )
