import numpy as np
import pytest

from gluon_job.vision import boxes


def found(*rows):
    return np.array(rows, np.float32).reshape(-1, 6)


def judge(rows, true, classes, ignored=None):
    ignored = np.zeros(len(true), bool) if ignored is None else np.array(ignored)
    return boxes.judge(found(*rows), np.array(true, np.float32).reshape(-1, 4), np.array(classes), ignored)


def test_overlap_is_the_shared_area_over_that_of_both():
    one = np.float32([[0, 0, 10, 10]])
    others = np.float32([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [2, 2, 4, 4]])
    assert boxes.overlaps(one, others)[0] == pytest.approx([1, 1 / 3, 0, 0.04])


def test_the_best_box_of_an_object_is_right_and_a_second_one_wrong():
    judged = judge([(0, 0.6, 0, 0, 10, 10), (0, 0.9, 0, 0, 10, 9)], [[0, 0, 10, 10]], [0])
    assert judged[:, 2].tolist() == [0, 1]


@pytest.mark.parametrize("row", [(1, 0.9, 0, 0, 10, 10), (0, 0.9, 0, 0, 10, 4), (0, 0.9, 50, 50, 60, 60)])
def test_another_class_and_too_little_overlap_are_wrong(row):
    assert judge([row], [[0, 0, 10, 10]], [0])[:, 2].tolist() == [0]


@pytest.mark.parametrize("box", [(-np.inf, 5, np.inf, 5), (np.nan, 0, 10, 10), (-np.inf, -np.inf, np.inf, np.inf)])
def test_an_endless_box_of_an_untrained_net_is_wrong(box):
    with np.errstate(all="raise"):  # a job would print numpy's warnings
        assert judge([(0, 0.9, *box)], [[0, 0, 10, 10]], [0])[:, 2].tolist() == [0]


def test_finding_an_ignored_object_is_neither_right_nor_wrong():
    assert judge([(0, 0.9, 0, 0, 10, 10)], [[0, 0, 10, 10]], [0], [True])[:, 0].tolist() == [-1]


def test_average_precision_is_the_area_under_the_best_precisions():
    # Right, wrong, right of three objects: precision 1 up to a third, 2/3 up to two thirds, then nothing.
    judged = np.array([[0, 0.9, 1], [0, 0.8, 0], [0, 0.7, 1], [-1, 0.99, 0]])
    assert boxes.mean_average_precision(judged, [3]) == pytest.approx((1 + 2 / 3) / 3)


def test_a_curve_has_the_best_precision_at_that_or_a_higher_recall():
    table = np.array([[0, 0.6, 1], [0, 0.9, 1], [0, 0.8, 0], [0, 0.7, 1], [1, 0.95, 0], [-1, 0.99, 0]])
    recall, precision = boxes.curve(table, 0, 4)
    assert recall == pytest.approx([1 / 4, 1 / 4, 2 / 4, 3 / 4])
    assert precision == pytest.approx([1, 3 / 4, 3 / 4, 3 / 4])
    assert [part.tolist() for part in boxes.curve(table, 2, 1)] == [[], []]


def test_the_best_threshold_is_that_of_the_best_f1():
    table = np.array([[0, 0.9, 1], [0, 0.8, 0], [0, 0.7, 1], [0, 0.6, 0], [1, 0.5, 0]])
    assert boxes.best_threshold(table, 0, 2) == (pytest.approx(0.7), pytest.approx(2 * 2 / (3 + 2)))
    assert boxes.best_threshold(table, 1, 2) is None
    assert boxes.best_threshold(table, 2, 2) is None


def test_each_found_box_is_matched_with_the_object_it_has_found():
    rows = found((1, 0.9, 0, 0, 10, 10), (0, 0.8, 20, 20, 30, 30), (0, 0.7, 20, 20, 30, 29), (0, 0.6, 50, 50, 60, 60))
    true = np.float32([[20, 20, 30, 30], [50, 50, 60, 60], [0, 0, 10, 10]])
    matched = boxes.match(rows, true, np.array([0, 0, 1]), np.array([False, True, False]))
    assert matched.tolist() == [2, 0, boxes.WRONG, boxes.IGNORED]
    assert boxes.judged(rows, matched)[:, 0].tolist() == [1, 0, 0, -1]


def test_the_mean_is_over_the_classes_that_there_are():
    judged = np.array([[0, 0.9, 1], [2, 0.8, 0]])
    assert boxes.mean_average_precision(judged, [1, 0, 1]) == pytest.approx(0.5)
    assert boxes.average_precisions(judged, [1, 0, 1]) == [pytest.approx(1), None, 0]
    assert boxes.mean_average_precision(judged, [0, 0, 0]) == 0


def test_it_is_that_of_gluoncv():
    metrics = pytest.importorskip("gluoncv.utils.metrics")
    random = np.random.RandomState(0)
    theirs, judged, count = metrics.VOCMApMetric(iou_thresh=0.5), [], np.zeros(3, int)
    for _ in range(20):
        corner = random.uniform(0, 800, (6, 2))
        true = np.concatenate([corner, corner + random.uniform(100, 400, (6, 2))], axis=1).astype(np.float32)
        classes, ignored = random.randint(3, size=6), random.rand(6) < 0.2
        near = (true + random.uniform(-60, 60, true.shape)).astype(np.float32)
        kinds = np.where(random.rand(6) < 0.8, classes, random.randint(3, size=6))
        rows = np.concatenate([kinds[:, None], random.rand(6, 1), near], axis=1).astype(np.float32)
        judged.append(boxes.judge(rows, true, classes, ignored))
        count += np.bincount(classes[~ignored], minlength=3)
        last = np.float32([0, 0, 1, 1])  # in theirs the pixels on the right and at the bottom belong to a box
        theirs.update(
            [rows[None, :, 2:] - last],
            [rows[None, :, :1]],
            [rows[None, :, 1:2]],
            [true[None] - last],
            [classes[None, :, None].astype(np.float32)],
            [ignored[None, :, None]],
        )
    ours = boxes.mean_average_precision(np.concatenate(judged), count.tolist())
    assert 0.2 < ours < 0.9
    assert ours == pytest.approx(theirs.get()[1], abs=1e-6)
