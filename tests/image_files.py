"""Pictures of 5 x 7 pixels, and folders of them."""

import numpy as np
from PIL import Image

COLOUR = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = COLOUR[..., 0]


def write(folder, **images):
    """PNG files of arrays; `__` in a name is a slash."""
    for name, image in images.items():
        path = folder / f'{name.replace("__", "/")}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
