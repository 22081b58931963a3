"""Pictures that are shifted or rotated, to see what a classifier makes of them."""

import math
from typing import Tuple

import numpy as np

_DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # rows down, columns to the right


def shifted(pictures: np.ndarray, pixels: int) -> np.ndarray:
    """The pictures moved by whole pixels: the first to the right, the next down, left, up, and so on.

    Args:
        pictures: of any dtype, (N, channels, height, width). What comes in has the colour of a picture's border.
        pixels: 0 for a copy.
    """
    moved = np.empty_like(pictures)
    moved[:] = _ground(pictures)
    for start, (down, right) in enumerate(_DIRECTIONS):
        rows, from_rows = _overlap(pictures.shape[2], down * pixels)
        columns, from_columns = _overlap(pictures.shape[3], right * pixels)
        moved[start::4, :, rows, columns] = pictures[start::4, :, from_rows, from_columns]
    return moved


def rotated(pictures: np.ndarray, degrees: float) -> np.ndarray:
    """The pictures turned about their middle, the first clockwise, the next the other way, and so on.

    Args:
        pictures: of any dtype, (N, channels, height, width); pixels are interpolated linearly. What comes in has the
            colour of a picture's border.
        degrees: 0 for a copy.
    """
    turned = np.empty_like(pictures)
    for start, sign in ((0, 1), (1, -1)):
        part = pictures[start::2]
        turned[start::2] = _turned(part, math.radians(sign * degrees)) if len(part) else part
    return turned


def _turned(pictures: np.ndarray, angle: float) -> np.ndarray:
    height, width = pictures.shape[2:]
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    # Where each pixel comes from; y points down, so that a positive angle is clockwise.
    from_x = math.cos(angle) * x + math.sin(angle) * y + (width - 1) / 2
    from_y = math.cos(angle) * y - math.sin(angle) * x + (height - 1) / 2
    top, left = np.floor(from_y).astype(int), np.floor(from_x).astype(int)
    ground = _ground(pictures).astype(np.float32)
    found = np.zeros(pictures.shape, np.float32)
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        share = ((1 - abs(from_y - row)) * (1 - abs(from_x - column))).astype(np.float32)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        values = pictures[:, :, row.clip(0, height - 1), column.clip(0, width - 1)]
        found += share * np.where(inside, values, ground)
    return np.rint(found).astype(pictures.dtype) if pictures.dtype.kind in "ui" else found


def _ground(pictures: np.ndarray) -> np.ndarray:
    """The colour of each picture's border, (N, channels, 1, 1)."""
    edges = [pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]]
    return np.median(np.concatenate(edges, axis=2), axis=2)[:, :, None, None].astype(pictures.dtype)


def _overlap(length: int, offset: int) -> Tuple[slice, slice]:
    """Where a row of so many pixels that is moved by an offset comes to lie, and which part of it that is."""
    offset = max(-length, min(length, offset))
    return slice(max(0, offset), length + min(0, offset)), slice(max(0, -offset), length - max(0, offset))
