import numpy as np
import pytest

from gluon_job import augment, threads
from gluon_job.errors import InputError
from gluon_job.hyperparameters import parse

VALUES = {**{name: one.default for name, one in augment.HYPERPARAMETERS.items()}, "seed": 1}


def dots(count=300, side=28):
    """Images with one bright square of 4 x 4 in the middle of black, uint8 (count, 1, side, side)."""
    images = np.zeros((count, 1, side, side), np.uint8)
    images[:, :, side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2] = 200
    return images


def bars(count=300):
    """Images with an upright bar in the middle, uint8 (count, 1, 28, 28)."""
    images = np.zeros((count, 1, 28, 28), np.uint8)
    images[:, :, 6:22, 12:16] = 200
    return images


def made(images, epoch=0, **values):
    labels = np.arange(len(images))
    samples, kept = augment.AugmentedImages((images, labels), {**VALUES, **values}).samples(epoch)
    assert samples.dtype == np.uint8
    assert samples.shape == images.shape
    assert (kept == labels).all()
    return samples


def middles(images):
    """The row and the column of each image's centre of mass, (N, 2), from the middle of the image."""
    weights = images[:, 0].astype(float)
    places = np.arange(weights.shape[1]) - (weights.shape[1] - 1) / 2
    total = weights.sum(axis=(1, 2))
    return np.stack([(weights.sum(axis=2) @ places) / total, (weights.sum(axis=1) @ places) / total], axis=1)


def angles(images):
    """By how many degrees each bar is turned, from the second moments of its mass."""
    y, x = np.mgrid[:28, :28] - 13.5
    weights = images[:, 0].astype(float)
    xx, yy, xy = ((weights * product).sum(axis=(1, 2)) for product in (x * x, y * y, x * y))
    return np.degrees(0.5 * np.arctan2(2 * xy, yy - xx))


def test_shift_moves_each_image_by_another_part_of_the_most_pixels():
    found = middles(made(dots(), augment=["shift"], augment_shift=5))
    assert np.abs(found).max() <= 5.05
    assert np.abs(found).max(axis=0) == pytest.approx([5, 5], abs=0.3)
    assert found.mean(axis=0) == pytest.approx([0, 0], abs=0.5)
    assert len(np.unique(found.round(3), axis=0)) > 290


def test_rotate_turns_each_image_about_its_middle():
    turned = made(bars(), augment=["rotate"], augment_rotate=30)
    assert np.abs(middles(turned)).max() < 0.1
    assert np.abs(angles(turned)).max() == pytest.approx(30, abs=1.5)
    assert np.std(angles(turned)) == pytest.approx(30 / np.sqrt(3), rel=0.1)


def test_elastic_bends_by_so_many_pixels_and_neighbours_alike():
    places = made(dots(2000), augment=["elastic"], augment_elastic=2)
    # The whole square moves as its middle does, about: the field is smooth.
    assert np.std(middles(places), axis=0) == pytest.approx([2, 2], rel=0.2)
    ramp = np.tile(np.arange(28, dtype=np.uint8) * 8, (50, 1, 28, 1))
    bent = made(ramp, augment=["elastic"], augment_elastic=2).astype(int)[:, 0, 8:20, 8:20]
    assert 8 < np.std(bent - ramp[:, 0, 8:20, 8:20]) < 24  # 2 pixels of a ramp of 8 a pixel
    assert np.abs(np.diff(bent - ramp[:, 0, 8:20, 8:20].astype(int), axis=1)).mean() < 8


def test_what_leaves_an_image_is_gone_and_black_comes_in():
    white = np.full((100, 1, 12, 16), 255, np.uint8)
    shifted = made(white, augment=["shift"], augment_shift=100)
    assert (shifted.max(axis=(1, 2, 3)) == 0).any()
    assert set(np.unique(made(white, augment=["shift"], augment_shift=3)[:, :, 3:-3, 3:-3])) == {255}


def test_the_channels_of_an_image_move_together():
    images = np.random.RandomState(0).randint(256, size=(150, 1, 10, 14)).astype(np.uint8)
    three = made(np.concatenate([images, 255 - images, images], axis=1), augment=["shift", "rotate", "elastic"])
    assert (three[:, 0] == three[:, 2]).all()
    assert (three[:, :1] == made(images, augment=["shift", "rotate", "elastic"])).all()


def test_an_epoch_is_the_same_each_time_and_on_any_number_of_threads_but_not_another(monkeypatch):
    wanted = made(bars(), 3, augment=["shift", "elastic"])
    monkeypatch.setattr(threads, "available", lambda: 7)
    assert (made(bars(), 3, augment=["shift", "elastic"]) == wanted).all()
    assert (made(bars(), 4, augment=["shift", "elastic"]) != wanted).any()
    assert (made(bars(), 3, augment=["shift", "elastic"], seed=2) != wanted).any()


def test_one_kind_of_variation_does_not_change_another():
    alone = made(dots(), augment=["shift"])
    both = made(dots(), augment=["rotate", "shift"], augment_rotate=0.01)
    assert middles(both) == pytest.approx(middles(alone), abs=0.05)


def test_nothing_named_is_the_plain_task_whose_checkpoints_stay_as_they_were():
    task = augment.task((dots(), np.zeros(300)), VALUES)
    assert task.samples(0) is None
    assert not task.identity
    task = augment.task((dots(), np.zeros(300)), {**VALUES, "augment": ["rotate"]})
    assert task.identity["augment"] == ["rotate"]


def test_a_variation_that_there_is_not_is_refused():
    with pytest.raises(InputError, match=r"augment\[1\] is one of shift, rotate, elastic, not 'rotat'.*'rotate'"):
        parse({"augment": ["shift", "rotat"]}, augment.HYPERPARAMETERS)
