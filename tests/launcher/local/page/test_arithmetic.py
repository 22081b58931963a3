"""The pure functions of the page, run in the browser, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(400)  # the first test trains the model


@pytest.fixture
def image():
    return np.random.default_rng(7).random((28, 28), np.float32)


@pytest.fixture
def fine():
    """A drawing of 280 x 280: a lopsided digit in a corner."""
    points = np.zeros((280, 280), np.float32)
    points[30:130, 20:45] = 1
    points[105:130, 45:90] = 0.5
    return points


def call(page, expression, *arrays):
    """The array that an expression of the functions in image.js gives; the arrays are called a and b."""
    names = ", ".join("ab"[: len(arrays)])
    code = (
        "const image = await import('/image.js');"
        f"const [{names}] = values.map((list) => Float32Array.from(list));"
        f"return Array.from({expression});"
    )
    return np.array(page.run(code, *[array.ravel().tolist() for array in arrays]))


def test_a_shift_moves_whole_pixels_and_loses_what_leaves(page, image):
    moved = call(page, "image.shift(a, 3, -2)", image).reshape(28, 28)
    np.testing.assert_array_equal(moved[:26, 3:], image[2:, :25])
    assert not moved[26:].any()
    assert not moved[:, :3].any()


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (-90, 1), (360, 0)])
def test_a_quarter_turn_is_exact_and_clockwise(page, image, degrees, turns):
    turned = call(page, f"image.rotate(a, {degrees})", image).reshape(28, 28)
    np.testing.assert_allclose(turned, np.rot90(image, turns), atol=1e-5)


def test_as_drawn_each_pixel_is_the_mean_of_its_square(page):
    fine = np.random.default_rng(8).random((280, 280), np.float32)
    reduced = call(page, "image.reduce(a, image.AS_DRAWN)", fine).reshape(28, 28)
    np.testing.assert_allclose(reduced, fine.reshape(28, 10, 28, 10).mean((1, 3)), atol=1e-6)


def test_a_square_that_cuts_through_points_is_weighted_by_area(page):
    fine = np.zeros((280, 280), np.float32)
    fine[0, 0] = 1
    reduced = call(page, "image.reduce(a, {left: 0.75, top: 0.5, step: 4})", fine)
    assert reduced[0] == pytest.approx(0.25 * 0.5 / 16)
    assert not reduced[1:].any()


def test_centred_as_mnist_the_longer_side_is_20_pixels_and_the_mass_in_the_middle(page, fine):
    centred = call(page, "image.reduce(a, image.mnistFrame(a))", fine).reshape(28, 28)
    rows, columns = np.nonzero(centred)
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 14  # 70 points at 5 a pixel
    middle = [float((centred.sum(1 - axis) * (np.arange(28) + 0.5)).sum() / centred.sum()) for axis in (0, 1)]
    assert middle == pytest.approx([14.5, 14.5], abs=0.5)
    # Scaled in whole pixels, never smeared by a fraction of one.
    np.testing.assert_allclose(np.unique(centred), [0, 0.5, 1], atol=1e-6)


def test_digits_of_mnist_are_where_mnist_centres_them_already(page, training_images):
    digits = training_images[:60].reshape(-1, 784).tolist()
    centred = page.run(
        """
        const image = await import("/image.js");
        const enlarge = (digit) => Float32Array.from({ length: 280 * 280 }, (_, i) =>
          digit[Math.floor(i / 2800) * 28 + Math.floor((i % 280) / 10)] / 255);
        const centre = (fine) => image.toBytes(image.reduce(fine, image.mnistFrame(fine)));
        return values[0].map((digit) => centre(enlarge(digit)));
        """,
        digits,
    )
    assert centred == digits


def test_an_empty_drawing_is_no_error(page):
    assert not call(page, "image.reduce(a, image.mnistFrame(a))", np.zeros((280, 280))).any()


def test_ink_is_what_differs_from_the_paper(page):
    grey = np.full((6, 9), 0.8, np.float32)
    grey[2:4, 3:5] = [[0.4, 0], [0.8, 0.9]]
    ink = call(page, "image.toInk(a, 9, 6).ink", grey).reshape(6, 9)
    np.testing.assert_allclose(ink[2:4, 3:5], [[0.5, 1], [0, 0]], atol=1e-6)
    assert ink.sum() == pytest.approx(1.5)


def test_of_requests_that_come_while_one_is_under_way_only_the_latest_is_sent(page):
    sent = page.run(
        """
        const { oneAtATime } = await import("/endpoint.js");
        const sent = [];
        let running = 0;
        const submit = oneAtATime(async (request) => {
          sent.push([request, ++running]);
          await new Promise((resolve) => setTimeout(resolve, 5));
          running--;
        });
        submit("a"), submit("b"), submit("c");
        await submit("d");
        while (running) await new Promise((resolve) => setTimeout(resolve, 5));
        await submit("e");
        return sent;
        """
    )
    assert sent == [["a", 1], ["d", 1], ["e", 1]]
