"""The page in a real browser, at a phone's and a desktop's width."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

pytestmark = pytest.mark.timeout(400)  # the first test trains the model


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_is_as_wide_as_the_window(open_page, reported, width):
    page = open_page(reported["path"], width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    for details in page.find_elements("tag name", "details"):
        page.execute_script("arguments[0].open = true", details)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_letters_are_large_enough_on_a_phone(open_page, reported):
    page = open_page(reported["path"], 390)
    smallest = page.execute_script(
        """
        const sizes = [...document.querySelectorAll("td, th, p, li span, a, label, summary")].map(
          (element) => parseFloat(getComputedStyle(element).fontSize));
        const drawn = [...document.querySelectorAll("svg text")].map((text) => text.getBoundingClientRect().height);
        return [Math.min(...sizes), Math.min(...drawn)];
        """
    )
    assert smallest[0] >= 12
    assert smallest[1] >= 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark(open_page, reported, scheme, pale):
    page = open_page(reported["path"], 1280, scheme)
    assert pale(page) == []
    ground, line = page.execute_script(
        "return [getComputedStyle(document.body).backgroundColor,"
        "getComputedStyle(document.querySelector('svg path[style*=\"--line-0\"]')).stroke]"
    )
    expected = {"light": ("rgb(243, 245, 248)", "rgb(0, 114, 178)"), "dark": ("rgb(14, 18, 24)", "rgb(74, 168, 230)")}
    assert (ground, line) == expected[scheme]


def shown(page):
    """The true and the predicted class of each mistake that can be seen, in order."""
    found = page.execute_script(
        """
        const seen = [...document.querySelectorAll("#mistakes li")].filter((one) => one.getClientRects().length);
        return seen.map((one) => [one.dataset.truth, one.dataset.predicted]);
        """
    )
    return [tuple(pair) for pair in found]


def test_the_mistakes_are_filtered_by_a_pair_of_classes(open_page, reported):
    page = open_page(reported["path"])
    every = shown(page)
    assert len(every) == round(1000 * (1 - reported["accuracy"]))
    truth, predicted = every[0]
    Select(page.find_element("name", "truth")).select_by_value(truth)
    assert shown(page) == [pair for pair in every if pair[0] == truth]
    Select(page.find_element("name", "predicted")).select_by_value(predicted)
    both = [pair for pair in every if pair == (truth, predicted)]
    assert shown(page) == both
    assert page.find_element("tag name", "output").text == f"{len(both)} of {len(every)} shown"
    page.find_element("css selector", "button[type=reset]").send_keys(Keys.ENTER)
    assert shown(page) == every


def test_a_cell_of_the_confusion_matrix_leads_to_its_mistakes(open_page, reported):
    page = open_page(reported["path"], 390)
    every = shown(page)
    truth, predicted = every[-1]
    cell = page.find_element("css selector", f"a[data-truth='{truth}'][data-predicted='{predicted}']")
    count = int(cell.text)
    cell.send_keys(Keys.ENTER)
    assert shown(page) == [(truth, predicted)] * count
    assert page.current_url.endswith("#mistakes")


def test_without_script_all_mistakes_are_shown_and_no_filter(open_page, reported):
    page = open_page(reported["path"], script=False)
    assert len(page.find_elements("css selector", "#mistakes li:not([hidden])")) == round(
        1000 * (1 - reported["accuracy"])
    )
    assert page.find_element("css selector", ".filter").get_attribute("hidden") is not None


def test_names_of_classes_and_directories_are_text(open_page, reported):
    page = open_page(reported["path"])
    assert page.title.startswith("mnist-mlp-")
    assert page.execute_script("return document.querySelectorAll('script').length") == 1
    assert page.find_elements("css selector", "img[src=x]") == []
    assert page.find_elements("css selector", "section b b") == []
    assert "<script>document.title='taken'" in page.find_element("id", "classes").text
    assert "<b>digits" in page.find_element("id", "identity").text


def test_it_can_be_used_without_eyes_and_without_a_mouse(open_page, reported, lacking):
    page = open_page(reported["path"])
    assert lacking(page) == []
    assert page.execute_script("return document.documentElement.lang") == "en"


def test_paper_is_white_whatever_the_screen_and_has_no_filter(open_page, reported):
    page = open_page(reported["path"], 1280, "dark")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ground, filter_ = page.execute_script(
        "return [getComputedStyle(document.body).backgroundColor,"
        "getComputedStyle(document.querySelector('.filter')).display]"
    )
    assert (ground, filter_) == ("rgb(255, 255, 255)", "none")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
