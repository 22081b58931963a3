import numpy as np
from PIL import Image

from launcher import data, digit_pictures


def test_the_sample_digits_are_a_data_set_of_pictures_too(home):
    directory = data.sample_for("image_classifier")
    assert directory == data.get("digit-pictures") == home / "cache" / "digit-pictures"
    for part, each in (("train", 400), ("val", 100)):
        folders = sorted((directory / part).iterdir())
        assert [folder.name for folder in folders] == [str(digit) for digit in range(10)]
        assert [len(list(folder.iterdir())) for folder in folders] == [each] * 10


def test_an_image_is_in_the_middle_of_its_picture_and_the_first_of_each_label_are_written(tmp_path):
    images = np.random.RandomState(0).randint(256, size=(5, 28, 28)).astype(np.uint8)
    digit_pictures.write_folders(tmp_path, images, np.array([7, 3, 7, 7, 3], np.uint8), each=2)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert found == ["3/00001.png", "3/00004.png", "7/00000.png", "7/00002.png"]
    picture = np.asarray(Image.open(tmp_path / "7" / "00002.png"))
    assert (picture.dtype, picture.shape) == (np.uint8, (32, 32))
    assert (picture[2:-2, 2:-2] == images[2]).all()
    assert picture.sum() == images[2].sum()
