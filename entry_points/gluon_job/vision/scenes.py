"""Pictures with objects in boxes, as the channels of a job bring them: in the format of Pascal VOC or of COCO.

VOC (http://host.robots.ox.ac.uk/pascal/VOC): `Annotations/NAME.xml`, `JPEGImages/NAME.jpg` (or .png), and lists of
names in `ImageSets/Main`. COCO (https://cocodataset.org/#format-data): `annotations/NAME.json` with images, annotations
and categories, and the pictures beside it or in a folder.
"""

import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from xml.etree import ElementTree

import numpy as np

from gluon_job import datasets, images
from gluon_job.errors import InputError
from gluon_job.hyperparameters import did_you_mean
from gluon_job.vision import pictures

_CHANNELS = ("training", "validation", "pretrained")
_SETS = {"train": ("train", "trainval"), "validation": ("val", "test")}
_SUFFIXES = (".jpg", ".jpeg", ".png")


class Scene(NamedTuple):
    """A picture's file and its objects.

    Attributes:
        path: of the picture.
        boxes: float32 (n, 4), left, top, right and bottom in pixels.
        classes: int (n,).
        ignored: bool (n,), VOC's difficult objects and COCO's crowds: finding them is neither right nor wrong.
    """

    path: str
    boxes: np.ndarray
    classes: np.ndarray
    ignored: np.ndarray

    def picture(self) -> np.ndarray:
        """uint8 (height, width, 3); InputError names the file: no picture, or one that is not that of the boxes."""
        picture = pictures.read_file(self.path)
        height, width = picture.shape[:2]
        middles = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        outside = ((middles < 0) | (middles >= (width, height))).any(axis=1)
        if outside.any():
            box = self.boxes[outside][0].tolist()
            raise InputError(f"{self.path} has {width} x {height} pixels: the middle of the box {box} is outside of it")
        return picture


class Scenes(NamedTuple):
    """Scenes to train on, those to score on where there are any, and the name of each class."""

    training: List[Scene]
    validation: Optional[List[Scene]]
    labels: List[str]


_Object = Tuple[str, Sequence[float], bool]
_Found = List[Tuple[str, List[_Object]]]


def load(channel_input_dirs: Mapping[str, str], validation_share: float, seed: int) -> Scenes:
    """The scenes of the channels `training` and `validation`.

    Scenes to score on are those of the channel `validation`; else those that `val.txt` or `test.txt` of VOC, or a file
    of COCO's with `val` in its name, lists in `training`; else a share is held back. The classes are those of
    `labels.txt` or, without it, of the training objects.

    Raises:
        InputError: a channel, a file or a picture is missing, an annotation is not what it should be or of a class that
            is not known.
    """
    directory = datasets.channel(channel_input_dirs, "training")
    datasets.check_channels(channel_input_dirs, _CHANNELS)
    found = _read(directory, "train")
    if not found:
        raise InputError(
            f"channel 'training' ({directory}) holds neither Annotations/ and JPEGImages/ (VOC) nor annotations/*.json "
            "(COCO)"
        )
    other = channel_input_dirs.get("validation")
    if other is None:
        held = _read(directory, "validation")
    else:
        held = _read(other, "validation") or _read(other, "train")
        if not held:
            raise InputError(f"channel 'validation' ({other}) holds no annotated pictures")
    if not held and validation_share:
        order = np.random.RandomState(seed).permutation(len(found))
        count = min(round(len(found) * validation_share), len(found) - 1)
        found, held = [found[i] for i in sorted(order[count:])], [found[i] for i in sorted(order[:count])]
    names = pictures.names(directory) or sorted({name for _, objects in found for name, _, _ in objects})
    if not names:
        raise InputError(f"channel 'training' ({directory}): no picture has an object")
    return Scenes(_scenes(found, names), _scenes(held, names) if held else None, names)


def _scenes(found: _Found, names: List[str]) -> List[Scene]:
    scenes = []
    for path, objects in found:
        for name, _, _ in objects:
            if name not in names:
                raise InputError(
                    f"{path}: an object of the class {name!r}{did_you_mean(name, names)}, which the training data, or "
                    f"labels.txt, does not have: {', '.join(names[:20])}"
                )
        scenes.append(
            Scene(
                path,
                np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
                np.array([names.index(name) for name, _, _ in objects], np.int64),
                np.array([ignored for _, _, ignored in objects], bool),
            )
        )
    return scenes


def _read(directory: str, part: str) -> _Found:
    if os.path.isdir(os.path.join(directory, "Annotations")):
        return _read_voc(directory, part)
    folder = os.path.join(directory, "annotations")
    files = sorted(name for name in os.listdir(folder) if name.endswith(".json")) if os.path.isdir(folder) else []
    fitting = [name for name in files if any(word in name for word in _SETS["validation"])]
    if part == "train":
        fitting = [name for name in files if name not in fitting]
        if files and not fitting:
            raise InputError(f"{folder} has files to score on alone, by their names: {', '.join(files)}")
    if len(fitting) > 1:
        fitting = [name for name in fitting if name.startswith("instances")]
    if len(fitting) > 1:
        raise InputError(f"{folder} has several files to choose from: {', '.join(fitting)}")
    return _read_coco(directory, os.path.join(folder, fitting[0])) if fitting else []


def _read_voc(directory: str, part: str) -> _Found:
    sets, annotations = os.path.join(directory, "ImageSets", "Main"), os.path.join(directory, "Annotations")
    lists = [os.path.join(sets, f"{name}.txt") for name in _SETS[part]]
    listed = [path for path in lists if os.path.isfile(path)]
    if listed:
        names = _voc_names(listed[0])
    elif part != "train":
        return []
    elif os.path.isdir(sets):
        raise InputError(f"{sets} has neither train.txt nor trainval.txt, the names of the pictures to learn from")
    else:
        names = [name[: -len(".xml")] for name in sorted(os.listdir(annotations)) if name.endswith(".xml")]
    if not names:
        raise InputError(f"{listed[0]} names no picture" if listed else f"{annotations} holds no .xml file")
    return [(_voc_picture(directory, name), _voc_objects(directory, name)) for name in names]


def _voc_names(path: str) -> List[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return [line.split()[0] for line in file if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 ({error})") from None


def _voc_picture(directory: str, name: str) -> str:
    for suffix in _SUFFIXES:
        path = os.path.join(directory, "JPEGImages", name + suffix)
        if os.path.isfile(path):
            return path
    raise InputError(f"{os.path.join(directory, 'JPEGImages')} has no picture {name}.jpg, nor .png")


def _voc_objects(directory: str, name: str) -> List[_Object]:
    path = os.path.join(directory, "Annotations", f"{name}.xml")
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
        if "<!" in content.replace("<!--", ""):
            raise InputError(f"{path}: a document type is not read: leave it out")
        objects = [_voc_object(item) for item in ElementTree.fromstring(content).iter("object")]  # noqa: S314
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"there is no file {path}, which ImageSets/Main lists") from None
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not XML ({error})") from None
    except (AttributeError, TypeError, ValueError) as error:
        needs = "an object needs a name and a bndbox of xmin, ymin, xmax and ymax"
        raise InputError(f"{path}: {needs} ({error})") from None
    for kind, box, _ in objects:
        _check_box(path, kind, box)
    return objects


def _voc_object(item: Any) -> _Object:
    box = item.find("bndbox")
    left, top, right, bottom = (float(box.find(side).text) for side in ("xmin", "ymin", "xmax", "ymax"))
    # VOC counts pixels from 1, and its last pixel is in the box.
    return item.find("name").text.strip(), (left - 1, top - 1, right, bottom), item.findtext("difficult") == "1"


def _read_coco(directory: str, path: str) -> _Found:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        kinds = {item["id"]: str(item["name"]) for item in content["categories"]}
        objects: Dict[Any, List[_Object]] = {item["id"]: [] for item in content["images"]}
        for item in content["annotations"]:
            left, top, width, height = map(float, item["bbox"])
            box = (left, top, left + width, top + height)
            if 0 in (width, height):  # COCO's own data have some
                continue
            _check_box(path, f"annotation {item.get('id')}", box)
            objects[item["image_id"]].append((kinds[item["category_id"]], box, bool(item.get("iscrowd"))))
        files = [(item["id"], str(item["file_name"])) for item in content["images"]]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not COCO's format ({type(error).__name__}: {error})") from None
    if not files:
        raise InputError(f"{path} names no picture")
    return [(_coco_picture(directory, path, name), objects[number]) for number, name in files]


def _coco_picture(directory: str, annotations: str, name: str) -> str:
    stem = os.path.splitext(os.path.basename(annotations))[0].rpartition("_")[2]  # instances_train2017.json
    for folder in ("", "images", stem, os.path.join("images", stem)):
        path = os.path.join(directory, folder, name)
        if os.path.isfile(path):
            return path
    raise InputError(f"{annotations} names the picture {name}, which is not in {directory}, images/ or {stem}/")


def _check_box(path: str, what: str, box: Sequence[float]) -> None:
    left, top, right, bottom = box
    if not (np.isfinite(box).all() and left < right and top < bottom):
        raise InputError(f"{path}: the box of {what} is empty or turned round: {[float(side) for side in box]}")


def fitted(picture: np.ndarray, boxes: np.ndarray, size: int) -> Tuple[np.ndarray, np.ndarray]:
    """A picture and its boxes as the net sees them: (size, size, 3), and in pixels of it."""
    rows, columns, top, left = images.placement(picture.shape[0], picture.shape[1], size, size)
    factors = np.array([columns / picture.shape[1], rows / picture.shape[0]] * 2, np.float32)
    return images.fit(picture, size, size), boxes * factors + np.array([left, top] * 2, np.float32)
