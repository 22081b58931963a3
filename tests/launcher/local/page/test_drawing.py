"""A person draws on the page, and reads what the model makes of it."""

from __future__ import annotations

import math

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.timeout(400)  # the first test trains the model

ONE = [(0.5, 0.15), (0.5, 0.5), (0.5, 0.85)]
SEVEN = [(0.28, 0.2), (0.5, 0.2), (0.72, 0.2), (0.6, 0.38), (0.5, 0.55), (0.42, 0.82)]
ZERO = [(0.5 + 0.22 * math.sin(turn / 4), 0.5 - 0.32 * math.cos(turn / 4)) for turn in range(26)]
SMALL_ONE = [(0.1, 0.08), (0.1, 0.2), (0.1, 0.3)]


def centre_of_mass(pixels):
    total = sum(pixels)
    x = sum(value * (i % 28 + 0.5) for i, value in enumerate(pixels)) / total
    y = sum(value * (i // 28 + 0.5) for i, value in enumerate(pixels)) / total
    return x, y


def percent(text):
    return float(text.replace("%", "").strip())


@pytest.mark.parametrize(("digit", "stroke"), [("0", ZERO), ("1", ONE), ("7", SEVEN)])
@pytest.mark.parametrize("kind", ["mouse", "pen", "touch"])
def test_a_drawn_digit_is_read(page, digit, stroke, kind):
    page.draw(stroke, kind=kind)
    page.wait_until(lambda: page.text("announcement").startswith(f"{digit}, "))
    assert page.text("label") == digit

    def shown():
        return [percent(cell.text) for cell in page.all("#bars .number")]

    probabilities = shown()
    assert sum(probabilities) == pytest.approx(100, abs=0.6)
    best = max(range(10), key=probabilities.__getitem__)
    assert [row.text.split()[0] for row in page.all("#bars .best")] == [digit] == [str(best)]
    page.wait_until(lambda: percent(page.text("probability")) == shown()[best])  # the last answer may be on its way
    probabilities = shown()
    widths = [bar.value_of_css_property("background-size").split()[0] for bar in page.all("#bars .bar")]
    assert [percent(width) for width in widths] == pytest.approx(probabilities, abs=0.06)


def test_the_answer_follows_the_stroke_while_it_is_drawn(page):
    pad = page.find("pad")
    moves = ActionChains(page.driver, duration=15).move_to_element_with_offset(pad, 0, -100).click_and_hold()
    moves.move_to_element_with_offset(pad, 0, 100).perform()
    page.wait_until(lambda: page.text("label") == "1")
    assert page.text("announcement") == ""  # a reader of the screen is told when the stroke is complete
    ActionChains(page.driver).release().perform()
    page.wait_until(lambda: page.text("announcement").startswith("1, "))


def test_a_small_digit_in_a_corner_is_centred_as_mnist_does_unless_that_is_switched_off(page):
    page.draw(SMALL_ONE)
    page.wait_until(lambda: page.text("announcement") != "")
    assert centre_of_mass(page.pixels()) == pytest.approx((14.5, 14.5), abs=0.5)
    rows = [i // 28 for i, value in enumerate(page.pixels()) if value > 25]
    assert max(rows) - min(rows) + 1 in (20, 21)
    page.find("centre").click()
    page.wait_until(lambda: centre_of_mass(page.pixels())[0] < 4)
    assert centre_of_mass(page.pixels()) == pytest.approx((2.8, 28 * 0.19), abs=0.5)


def test_the_same_digit_is_shown_moved_and_turned_with_what_the_model_makes_of_each(page):
    page.draw(SEVEN)
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    seen = page.pixels()
    left = page.pixels("#shift-tiles li:nth-child(1) canvas")
    assert left == [seen[i + 3] if i % 28 < 25 else 0 for i in range(784)]
    assert page.pixels("#rotation-tiles li:nth-child(8) canvas") == pytest.approx(seen[::-1], abs=1)
    for kind in ("shift", "rotation"):
        tiles = page.all(f"#{kind}-tiles li")
        assert len(tiles) == 8
        for tile in tiles:
            verdict = tile.find_element("css selector", ".verdict").text
            assert verdict in set("0123456789")
            assert 10 <= percent(tile.find_element("css selector", ".sureness").text) <= 100
            assert ("differs" in tile.get_attribute("class")) == (verdict != "7")
        steady = len(page.all(f"#{kind}-tiles li:not(.differs)"))
        assert page.text(f"{kind}-summary") == f"{steady} of 8 still read as 7."
    assert page.all(".differs")  # an upside-down 7, for one


def test_undo_takes_back_a_stroke_and_also_a_clear_by_button_and_by_key(page):
    assert not page.find("undo").is_enabled()
    page.draw(ONE)
    page.wait_until(lambda: page.text("announcement").startswith("1, "))
    one = page.pixels()
    page.draw([(0.2, 0.2), (0.8, 0.2)])
    page.wait_until(lambda: page.pixels() != one)
    page.find("undo").click()
    page.wait_until(lambda: page.pixels() == one)
    page.find("clear").click()
    page.wait_until(lambda: page.text("label") == page.NOTHING)
    assert page.pixels() == [0] * 784
    assert not page.find("clear").is_enabled()
    page.press("z", held=Keys.CONTROL)
    page.wait_until(lambda: page.pixels() == one)
    page.press(Keys.DELETE)
    page.wait_until(lambda: page.pixels() == [0] * 784)
    page.find("undo").click()
    page.find("undo").click()
    page.wait_until(lambda: not page.find("undo").is_enabled())
    assert page.text("label") == page.NOTHING


def test_an_answer_that_comes_after_the_drawing_was_cleared_is_not_shown(page):
    page.run(
        """
        window.sent = window.underWay = 0;
        const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const { fetch } = window;
        window.fetch = async (...request) => {
          window.sent++;
          window.underWay++;
          const answer = await fetch(...request);
          await pause(1000);
          pause(200).then(() => window.underWay--);
          return answer;
        };
        """
    )
    page.draw(ONE)
    page.press(Keys.DELETE)
    page.wait_until(lambda: page.run("return window.sent > 0 && window.underWay === 0"))
    assert page.text("label") == page.NOTHING


def test_a_digit_is_drawn_and_read_with_the_keyboard_alone(page):
    page.press(Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("id") == "pad"
    assert page.find("cursor").is_displayed()
    page.press(*[Keys.ARROW_UP] * 10)
    page.press(" ")
    page.wait_until(lambda: page.text("announcement") == "Pen down.")
    page.press(*[Keys.ARROW_DOWN] * 20)
    page.press(" ")
    page.wait_until(lambda: page.text("announcement").startswith("1, "))
    page.press(*[Keys.ARROW_RIGHT] * 5)  # the pen is lifted: this draws nothing
    one = page.pixels()
    page.press(Keys.TAB, Keys.TAB, Keys.ENTER)  # Clear
    page.wait_until(lambda: page.text("label") == page.NOTHING)
    page.press("z", held=Keys.CONTROL)
    page.wait_until(lambda: page.pixels() == one)


def test_everything_that_takes_the_focus_has_a_name_and_shows_the_focus(page):
    page.draw(ONE)
    page.wait_until(lambda: page.text("label") == "1")
    page.driver.execute_script("const top = document.querySelector('header'); top.tabIndex = -1; top.focus()")
    names, outlines = [], []
    for _ in range(7):
        page.press(Keys.TAB)
        element = page.driver.switch_to.active_element
        names.append(element.accessible_name)
        shown = page.find("drawing").find_element("css selector", ".button") if names[-1] == "Open image…" else element
        outlines.append(shown.value_of_css_property("outline-style"))
    assert names[:5] == ["Drawing pad", "Undo", "Clear", "Open image…", "Centre it as MNIST does"]
    assert all(names)
    assert outlines == ["solid"] * 7


def test_on_a_phone_the_pad_and_the_answer_are_in_sight_together_and_nothing_scrolls_sideways(page, digits_endpoint):
    page.open(digits_endpoint.url, 360, 740)
    page.wait_until(lambda: page.text("state") == "ready")
    page.draw(SEVEN, kind="touch")
    page.wait_until(lambda: page.text("label") == "7")
    assert page.driver.execute_script("return [document.documentElement.scrollWidth, scrollX, scrollY]") == [360, 0, 0]
    for name in ("pad", "label", "seen", "undo", "clear"):
        bottom = page.driver.execute_script("return arguments[0].getBoundingClientRect().bottom", page.find(name))
        assert bottom <= 740, name
    for button in page.all("button, .button"):
        assert button.rect["height"] >= 44


def test_a_second_finger_does_not_draw(page):
    page.driver.execute_script(
        """
        const pad = document.getElementById("pad");
        pad.setPointerCapture = () => {};
        const {left, top, width} = pad.getBoundingClientRect();
        const fire = (type, pointerId, x, y) => pad.dispatchEvent(new PointerEvent(type, {
          pointerId, button: 0, clientX: left + x * width, clientY: top + y * width, bubbles: true}));
        fire("pointerdown", 1, 0.5, 0.2);
        fire("pointerdown", 2, 0.1, 0.1);
        fire("pointermove", 2, 0.1, 0.9);
        fire("pointermove", 1, 0.5, 0.8);
        fire("pointerup", 2, 0.1, 0.9);
        fire("pointerup", 1, 0.5, 0.8);
        """
    )
    page.wait_until(lambda: page.text("announcement").startswith("1, "))
    page.find("undo").click()
    page.wait_until(lambda: page.text("label") == page.NOTHING)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_light_and_in_dark(page, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    page.draw(SEVEN)
    page.wait_until(lambda: page.text("announcement").startswith("7, "))
    try:
        for selector in ("#lead", "#label", "#probability", ".hint", ".caption", ".differs .verdict", "#undo", "h1"):
            assert contrast(page, selector) >= 4.5, selector
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(page, selector):
    """Of the text to its background, by WCAG's formula."""
    return page.run(
        """
        const luminance = (colour) => {
          const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
          const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        let ground = document.querySelector(values[0]);
        const ink = luminance(getComputedStyle(ground).color);
        while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
        const paper = luminance(getComputedStyle(ground).backgroundColor);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        """,
        selector,
    )
