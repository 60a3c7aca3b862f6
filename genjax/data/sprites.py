"""Sprites: small pictures of known, independent factors, drawn by genjax."""

import itertools

import numpy as np
from jaxtyping import Bool, Float, UInt8

from genjax.data.dataset import Dataset

SIDE = 32  # pixels
_FINE = 8  # samples along the side of a pixel
_RADIUS = 9.0  # pixels, of the circle around a shape of scale 1
_STEP = 7  # samples between two neighbouring positions
_SCALES = np.linspace(0.5, 1, 5)
_ANGLES = np.deg2rad(9 * np.arange(10))
_POSITIONS = 16
NAMES = ('shape', 'scale', 'orientation', 'x', 'y')
Points = Float[np.ndarray, '...']


def _square(u: Points, v: Points) -> Bool[np.ndarray, '...']:
    return np.maximum(abs(u), abs(v)) <= 0.7


def _ellipse(u: Points, v: Points) -> Bool[np.ndarray, '...']:
    return u**2 + (v / 0.5) ** 2 <= 1


def _heart(u: Points, v: Points) -> Bool[np.ndarray, '...']:
    """`(u^2 + v^2 - 1)^3 <= u^2 v^3`, about its centre of mass, and within the unit circle."""
    u, v = 1.3 * u, 0.29 - 1.3 * v
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


_SHAPES = {'square': _square, 'ellipse': _ellipse, 'heart': _heart}


def sprites() -> Dataset:
    """38,400 white shapes on black, 32x32x1, one for each combination of five factors.

    As dSprites (Matthey et al. 2017, https://github.com/google-deepmind/dsprites-dataset) in small:
    three shapes, which are the labels too, five scales, ten orientations, and sixteen places along
    x and y. The orientations, 9 degrees apart, stay below 90, the period of the square: no two
    images are equal. Each pixel is the covered share of it, by 8x8 samples. Nothing is random.

    Returns:
      The images in the order of their factors, the last one changing first: shape, scale,
      orientation, x (from left to right) and y (from the top down).
    """
    counts = len(_SHAPES), len(_SCALES), len(_ANGLES), _POSITIONS, _POSITIONS
    forms = itertools.product(_SHAPES.values(), _SCALES, _ANGLES)
    x = np.stack([_everywhere(*form) for form in forms]).reshape(-1, SIDE, SIDE, 1)
    factors = np.indices(counts, np.int32).reshape(len(counts), -1).T
    return Dataset(
        x, factors[:, 0].copy(), 'sprites', tuple(_SHAPES), factors=factors, factor_names=NAMES
    )


def _everywhere(shape, scale: float, angle: float) -> UInt8[np.ndarray, 'x y h w']:
    """One form at all places.

    It is drawn once, on a ground so much larger than an image that each place is a window of it;
    the mean of each pixel is a difference of the sums of all samples above and to the left.
    """
    reach = _STEP * (_POSITIONS - 1)
    size = SIDE * _FINE + reach
    # At half of the reach it is in the middle of the image, which the windows move away from.
    along = (np.arange(size) + 0.5 - size / 2) / (_FINE * _RADIUS * scale)
    right, down = along[None], along[:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    inside = shape(cos * right + sin * down, cos * down - sin * right)
    sums = np.pad(inside.cumsum(0).cumsum(1), (1, 0))
    starts = reach - _STEP * np.arange(
        _POSITIONS
    )  # the window moves left where the shape goes right
    edges = (starts[:, None] + _FINE * np.arange(SIDE + 1)).ravel()
    corners = sums[np.ix_(edges, edges)].reshape(_POSITIONS, SIDE + 1, _POSITIONS, SIDE + 1)
    covered = np.diff(np.diff(corners, axis=1), axis=3) / _FINE**2
    return np.rint(255 * covered).astype(np.uint8).transpose(2, 0, 1, 3)
