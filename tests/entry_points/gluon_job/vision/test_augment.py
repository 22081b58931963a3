import numpy as np
import pytest

from gluon_job.vision import augment

PLAIN = {"crop": "none", "flip": False, "colour": 0.0}


def pattern(height=32, width=32):
    values = np.arange(height * width * 3) * 7919 % 251
    return values.reshape(height, width, 3).astype(np.uint8)


def made(values, size=32, seed=0, picture=None):
    augmentation = augment.Augmentation({**PLAIN, **values}, size)
    return augmentation(pattern() if picture is None else picture, np.random.RandomState(seed))


def test_without_any_option_a_picture_is_as_an_endpoint_sees_it():
    assert (made({}) == augment.plain(pattern(), 32)).all()
    assert (made({}) == pattern().transpose(2, 0, 1)).all()


@pytest.mark.parametrize("values", [{"crop": "pad"}, {"crop": "area"}, {"colour": 0.4}, {"flip": True}], ids=str)
def test_each_option_varies_the_picture_the_same_way_for_the_same_seed(values):
    seen = [made(values, seed=seed) for seed in range(8)]
    assert len({one.tobytes() for one in seen}) > 1
    assert all((one == made(values, seed=seed)).all() for seed, one in enumerate(seen))
    assert {(one.shape, one.dtype) for one in seen} == {((3, 32, 32), np.dtype(np.uint8))}


def test_half_of_the_pictures_are_mirrored():
    mirrored = pattern().transpose(2, 0, 1)[:, :, ::-1]
    count = sum((made({"flip": True}, seed=seed) == mirrored).all() for seed in range(100))
    assert 30 < count < 70


def test_a_shift_keeps_the_pixels_and_moves_them_by_an_eighth_at_most():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[15, 16] = 255
    places = {tuple(np.argwhere(made({"crop": "pad"}, seed=seed, picture=picture)[0])[0]) for seed in range(300)}
    rows, columns = zip(*places)
    assert (min(rows), max(rows), min(columns), max(columns)) == (11, 19, 12, 20)


def test_a_part_is_between_a_twelfth_and_the_whole_of_a_picture():
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(100)[:, None], np.arange(120)
    shares = []
    for seed in range(200):
        seen = made({"crop": "area"}, size=16, seed=seed, picture=picture).astype(float)
        shares.append((np.ptp(seen[0]) + 5) * (np.ptp(seen[1]) + 5) / (100 * 120))
    assert 0.05 < min(shares) < 0.2
    assert 0.8 < max(shares) < 1.2


def test_the_targets_of_a_sample_sum_to_one():
    targets = augment.targets(np.array([2, 0]), 4, smoothing=0.2)
    assert targets.sum(axis=1) == pytest.approx([1, 1])
    assert targets[0] == pytest.approx([0.05, 0.05, 0.85, 0.05])


def test_mixup_mixes_pictures_and_targets_with_the_same_share():
    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[1] = 200
    batch = {"images": images, "targets": np.eye(2, dtype=np.float32)}
    shares = set()
    for seed in range(10):
        mixed = augment.mixup(batch, 1.0, np.random.RandomState(seed))
        shares.add(round(float(mixed["targets"][0, 0]), 3))
        assert mixed["images"].dtype == np.uint8
        assert mixed["targets"].sum(axis=1) == pytest.approx([1, 1])
        assert mixed["images"][:, 0, 0, 0] / 200 == pytest.approx(mixed["targets"][:, 1], abs=0.01)
    assert len(shares) > 2
