import numpy as np
import pytest

from gluon_job import distortion


@pytest.fixture
def pictures():
    """Eight pictures of noise, uint8 (8, 1, 9, 9), on a border of a grey of their own."""
    made = np.random.RandomState(3).randint(0, 255, (8, 1, 9, 9)).astype(np.uint8)
    grounds = np.arange(10, 90, 10, dtype=np.uint8)[:, None, None, None]
    inside = np.zeros(made.shape, bool)
    inside[:, :, 2:-2, 2:-2] = True
    return np.where(inside, made, grounds)


def test_nothing_changes_by_a_distortion_of_zero(pictures):
    np.testing.assert_array_equal(distortion.shifted(pictures, 0), pictures)
    np.testing.assert_array_equal(distortion.rotated(pictures, 0), pictures)


def test_pictures_are_shifted_right_down_left_and_up_in_turn(pictures):
    moved = distortion.shifted(pictures, 2)
    for number, (axis, step) in enumerate([(1, 2), (0, 2), (1, -2), (0, -2)] * 2):
        # The border is of one colour, so that rolling brings in what shifting does.
        np.testing.assert_array_equal(moved[number, 0], np.roll(pictures[number, 0], step, axis))


def test_what_is_shifted_by_more_than_its_size_is_gone(pictures):
    moved = distortion.shifted(pictures, 20)
    np.testing.assert_array_equal(moved, np.broadcast_to(pictures[:, :, :1, :1], pictures.shape))


def test_a_quarter_turn_is_exact_and_clockwise_for_every_other_picture(pictures):
    turned = distortion.rotated(pictures, 90)
    for number, picture in enumerate(turned[:, 0]):
        np.testing.assert_array_equal(picture, np.rot90(pictures[number, 0], 1 if number % 2 else -1))


def test_an_eighth_of_a_turn_lies_between_the_pixels_and_keeps_the_dtype(pictures):
    turned = distortion.rotated(pictures, 45)
    assert turned.dtype == np.uint8
    np.testing.assert_array_equal(turned[:, :, 4, 4], pictures[:, :, 4, 4])  # the middle stays
    assert (turned[:, 0, 0, 0] == pictures[:, 0, 0, 0]).all()  # what comes in has the colour of the border
