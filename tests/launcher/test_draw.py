import io
import json
import os

import pytest
from PIL import Image

from launcher import draw
from launcher.errors import JobFailed, UserError

OBJECTS = [
    {"class": 0, "label": "cat", "probability": 0.9, "box": [10.0, 20.0, 60.0, 80.0]},
    {"class": 1, "label": "dog", "probability": 0.4, "box": [50.0, 2.0, 99.0, 40.0]},
]


def png(width=100, height=100, orientation=None):
    body = io.BytesIO()
    picture = Image.new("RGB", (width, height))
    exif = picture.getexif()
    if orientation:
        exif[0x0112] = orientation
    picture.save(body, "PNG", exif=exif)
    return body.getvalue()


def is_drawn(picture, x, y):
    return picture.getpixel((x, y)) != (0, 0, 0)


@pytest.mark.parametrize("name", ["out.png", "out.JPG"])
def test_boxes_are_drawn_where_the_objects_are(tmp_path, name):
    draw.draw(png(), OBJECTS, tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        scale = picture.width // 100
        assert (picture.size, scale) == ((600, 600), 6)
        for one in OBJECTS:
            left, top, right, bottom = (int(side * scale) for side in one["box"])
            for x, y in ((left, (top + bottom) // 2), (right, (top + bottom) // 2), ((left + right) // 2, bottom)):
                assert is_drawn(picture, x, y)
        assert picture.getpixel((150, 400)) == (0, 0, 0)  # inside the first box
        colours = {picture.getpixel((60, 300)), picture.getpixel((594, 200))}
        assert len(colours) == 2
    assert os.listdir(tmp_path) == [name]


def test_a_large_picture_keeps_its_size_and_one_on_its_side_is_turned(tmp_path):
    draw.draw(png(700, 600, orientation=6), [], tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (600, 700)


def test_a_dashed_box_is_black_and_white_on_any_ground_and_the_picture_is_left_as_it_was():
    for ground in ((0, 0, 0), (255, 255, 255), (120, 130, 90)):
        picture = Image.new("RGB", (100, 100), ground)
        marked = draw.mark(picture, [draw.Mark([10, 20, 90, 80], "")], 2)
        edge = [marked.getpixel((x, 40)) for x in range(20, 180)]
        assert {(0, 0, 0), (255, 255, 255)} == set(edge)
        assert edge.count((255, 255, 255)) > 40 < edge.count((0, 0, 0))
        assert marked.getpixel((100, 100)) == ground
        assert picture.getcolors() == [(10000, ground)]


def test_names_are_over_all_boxes_and_on_the_picture():
    picture = Image.new("RGB", (200, 200), "black")
    name = draw.Mark([150, 0, 199, 60], "a long name", 3)
    over = draw.Mark([120, 0, 199, 14], "", 4)
    alone, both = (draw.mark(picture, marks) for marks in ([name], [name, over]))
    [(left, _, right, bottom)] = [ground_of(alone)]
    assert right <= 200
    written = alone.crop((left, 1, right, bottom))
    assert both.crop((left, 1, right, bottom)).tobytes() == written.tobytes()


def ground_of(picture):
    """The box of what is drawn left of the mark's own box, and so of its name."""
    left, top, _, bottom = picture.crop((0, 0, 149, 200)).getbbox()
    return left, top, 200, bottom


@pytest.mark.parametrize(("name", "count", "message"), [
    ("out.gif", 1, r"--draw out\.gif: expected a name that ends in \.png, \.jpg, \.jpeg"),
    ("out.png", 2, "--draw takes one picture, not 2"),
])  # fmt: skip
def test_where_nothing_can_be_drawn_it_is_said_before_anything_is_sent(tmp_path, name, count, message):
    with pytest.raises(UserError, match=message):
        draw.check_target(type(tmp_path)(name), count)


@pytest.mark.parametrize("answer", [{"predictions": [{"label": "3"}]}, {"predictions": []}, [[1, 2]], "text"])
def test_an_answer_without_boxes_is_told(answer):
    with pytest.raises(UserError, match="has no boxes to draw: --draw is for the models of object_detector"):
        draw.objects(json.loads(json.dumps(answer)))


def test_the_objects_are_those_of_the_only_picture():
    assert draw.objects({"predictions": [{"width": 1, "height": 1, "objects": OBJECTS}]}) == OBJECTS


def test_what_cannot_be_read_or_written_leaves_no_file(tmp_path):
    with pytest.raises(UserError, match="the picture cannot be read"):
        draw.draw(b"no picture", OBJECTS, tmp_path / "out.png")
    with pytest.raises(JobFailed, match=r"cannot write .*missing"):
        draw.draw(png(), OBJECTS, tmp_path / "missing" / "out.png")
    assert os.listdir(tmp_path) == []
