import json
import shutil
from pathlib import Path

import drawings
import numpy as np
import pytest

from gluon_job.errors import InputError
from gluon_job.vision import scenes


def load(directory, share=0.0, **channels):
    return scenes.load({"training": str(directory), **{k: str(v) for k, v in channels.items()}}, share, seed=1)


def content(some):
    return [(scene.boxes.tolist(), scene.classes.tolist(), scene.ignored.tolist()) for scene in some]


def coco(directory, found, part="train"):
    """The scenes as COCO would have them, in a directory beside the pictures."""
    images = [{"id": i + 7, "file_name": f"{i}.png"} for i in range(len(found))]
    annotations = [
        {
            "id": 1000 * i + k,
            "image_id": i + 7,
            "category_id": 10 + int(kind),
            "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
            "iscrowd": int(ignored),
        }
        for i, scene in enumerate(found)
        for k, (box, kind, ignored) in enumerate(zip(scene.boxes, scene.classes, scene.ignored))
    ]
    (directory / "annotations").mkdir(parents=True, exist_ok=True)
    folder = directory / f"{part}2017"
    folder.mkdir()
    for i, scene in enumerate(found):
        (folder / f"{i}.png").write_bytes(Path(scene.path).read_bytes())
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 10, "name": "green"}, {"id": 11, "name": "red"}],
    }
    (directory / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(document))
    return directory


def test_voc_counts_pixels_from_one_and_the_last_one_belongs_to_the_box(tmp_path):
    drawings.write_voc(tmp_path, training=3, test=2)
    training, validation, labels = load(tmp_path)
    assert (len(training), len(validation), labels) == (3, 2, ["green", "red"])
    for scene in [*training, *validation]:
        picture = scene.picture().astype(int)
        for (left, top, right, bottom), kind in zip(scene.boxes.astype(int), scene.classes):
            channel = {"red": 0, "green": 1}[labels[kind]]
            assert (picture[top:bottom, left:right, channel] >= 200).all()
            assert picture[top - 1, left:right, channel].max() < 200 > picture[bottom, left:right, channel].max()


def test_coco_has_the_same_scenes(tmp_path):
    drawings.write_voc(tmp_path / "voc", training=3, test=2)
    voc = load(tmp_path / "voc")
    coco(coco(tmp_path / "coco", voc.training), voc.validation, part="val")
    other = load(tmp_path / "coco")
    assert content(other.training) == content(voc.training)
    assert content(other.validation) == content(voc.validation)
    assert other.labels == voc.labels
    assert (other.training[1].picture() == voc.training[1].picture()).all()


def test_difficult_objects_and_crowds_are_ignored(tmp_path):
    drawings.write_voc(tmp_path / "voc", training=2, test=0)
    path = tmp_path / "voc" / "Annotations" / "train0.xml"
    path.write_text(path.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>", 1))
    first = load(tmp_path / "voc").training[0]
    assert first.ignored.tolist() == [True] + [False] * (len(first.boxes) - 1)
    again = load(coco(tmp_path / "coco", [first])).training[0]
    assert again.ignored.tolist() == first.ignored.tolist()


def test_without_lists_all_annotated_pictures_are_taken_and_a_share_held_back(tmp_path):
    drawings.write_voc(tmp_path, training=10, test=0)
    for path in (tmp_path / "ImageSets").rglob("*.txt"):
        path.unlink()
    (tmp_path / "ImageSets" / "Main").rmdir()
    training, validation, _ = load(tmp_path, share=0.2)
    assert (len(training), len(validation)) == (8, 2)
    assert not {scene.path for scene in training} & {scene.path for scene in validation}


def test_labels_txt_gives_the_classes_their_order(tmp_path):
    drawings.write_voc(tmp_path, training=2, test=0)
    (tmp_path / "labels.txt").write_text("red\nblue\ngreen\n")
    assert load(tmp_path).labels == ["red", "blue", "green"]


def test_boxes_are_fitted_with_their_picture():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[10:20, 20:40] = 255
    fitted, boxes = scenes.fitted(picture, np.float32([[20, 10, 40, 20]]), 160)
    assert boxes.tolist() == [[40, 60, 80, 80]]
    assert fitted[60:80, 40:80].min() == 255
    assert fitted[59, 40:80].max() == fitted[80, 40:80].max() == 0


def edit(name, old, new):
    def change(directory):
        path = directory / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def remove(name):
    return lambda directory: (directory / name).unlink()


def as_folder(name):
    def change(directory):
        remove(name)(directory)
        (directory / name).mkdir()

    return change


def without_annotations(directory):
    shutil.rmtree(directory / "ImageSets")
    for path in (directory / "Annotations").iterdir():
        path.unlink()


VOC_XML, VOC_LIST = "Annotations/train0.xml", "ImageSets/Main/train.txt"


@pytest.mark.parametrize(("damage", "message"), [
    (edit(VOC_XML, "</annotation>", ""), r"train0\.xml is not XML"),
    (edit(VOC_XML, "<name>", "<nam>"), r"train0\.xml is not XML"),
    (edit(VOC_XML, "<xmax>", "<xmax>wide"), r"train0\.xml: an object needs a name and a bndbox"),
    (edit(VOC_XML, "bndbox>", "box>"), r"train0\.xml"),
    (edit(VOC_XML, "<xmin>", "<xmin>9"), r"train0\.xml: the box of .* is empty or turned round"),
    (edit(VOC_XML, "<annotation>", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>'), "a document type is not read"),
    (edit("Annotations/test0.xml", "<name>", "<name>dark"), r"test0\.png: an object of the class 'dark"),
    (remove(VOC_XML), r"there is no file .*train0\.xml, which ImageSets/Main lists"),
    (as_folder(VOC_XML), r"there is no file .*train0\.xml, which ImageSets/Main lists"),
    (remove("JPEGImages/train0.png"), r"has no picture train0\.jpg, nor \.png"),
    (remove(VOC_LIST), r"Main has neither train\.txt nor trainval\.txt"),
    (lambda directory: (directory / VOC_LIST).write_text("\n"), r"train\.txt names no picture"),
    (lambda directory: (directory / VOC_LIST).write_bytes(b"tr\xfcin0"), r"train\.txt is not text in UTF-8"),
    (without_annotations, "Annotations holds no .xml file"),
])  # fmt: skip
def test_wrong_voc_data_is_refused_with_the_files_name(tmp_path, damage, message):
    drawings.write_voc(tmp_path, training=3, test=3)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


COCO_JSON = "annotations/instances_train2017.json"
NO_PICTURES = '{"images": [], "annotations": [], "categories": []}'


@pytest.mark.parametrize(("damage", "message"), [
    (edit(COCO_JSON, "{", "("), "is not COCO's format"),
    (edit(COCO_JSON, '"images"', '"image"'), r"is not COCO's format \(KeyError: 'images'\)"),
    (edit(COCO_JSON, '"category_id": 1', '"category_id": 9'), "is not COCO's format"),
    (edit(COCO_JSON, "24.0, 24.0", "-1.0, 24.0"), r"the box of annotation \d+ is empty or turned round"),
    (edit(COCO_JSON, "0.png", "x.png"), r"names the picture x\.png, which is not in .*, images/ or train2017/"),
    (edit(COCO_JSON, "24.0, 24.0", "24.0"), "is not COCO's format"),
    (lambda directory: (directory / COCO_JSON).write_text("[]"), "is not COCO's format"),
    (lambda directory: (directory / COCO_JSON).write_text(NO_PICTURES), "names no picture"),
    (lambda directory: (directory / COCO_JSON).rename(directory / "annotations/val.json"), "files to score on alone"),
], ids=range(9))  # fmt: skip
def test_wrong_coco_data_is_refused_with_the_files_name(tmp_path, damage, message):
    drawings.write_voc(tmp_path / "voc", training=2, test=0)
    directory = coco(tmp_path / "coco", load(tmp_path / "voc").training)
    damage(directory)
    with pytest.raises(InputError, match=message):
        load(directory)


def test_objects_without_a_size_which_coco_itself_has_are_left_out(tmp_path):
    drawings.write_voc(tmp_path / "voc", training=2, test=0)
    before = load(tmp_path / "voc").training
    directory = coco(tmp_path / "coco", before)
    edit(COCO_JSON, "24.0, 24.0", "0.0, 24.0")(directory)
    after = load(directory).training
    assert [len(scene.boxes) for scene in after] == [len(before[0].boxes) - 1, len(before[1].boxes)]


@pytest.mark.parametrize(("old", "new", "is_refused"), [("<xmax>", "<xmax>9", True), ("<ymin>", "<ymin>-", False)])
def test_a_box_whose_middle_is_not_in_the_picture_is_refused_with_it(tmp_path, old, new, is_refused):
    drawings.write_voc(tmp_path, training=1, test=0)
    edit(VOC_XML, old, new)(tmp_path)
    scene = load(tmp_path).training[0]
    if is_refused:
        with pytest.raises(InputError, match=r"train0\.png has 64 x 64 pixels: the middle of the box .* is outside"):
            scene.picture()
    else:
        assert scene.boxes[:, 1].min() < 0
        assert scene.picture().shape == (64, 64, 3)


def test_a_channel_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds neither Annotations/ and JPEGImages/"):
        load(tmp_path)
