"""Datasets that live on the device, from which a compiled program takes its batches itself."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from genjax.data.dataset import Dataset, mapped

# Of the device's memory; the rest is for the model.
SHARE = 0.25


def fits(dataset: Dataset) -> bool:
    """Whether a dataset is to live on the device.

    It is where it takes a quarter of the memory that the device says to have, or less. A device
    that says nothing, such as a CPU, shares the host's memory: what is there already, fits. What
    is mapped from a file, `numpy.memmap`, does not.

    Args:
      dataset: any.
    """
    if mapped(dataset.x):
        return False
    limit = (jax.local_devices()[0].memory_stats() or {}).get('bytes_limit')
    return limit is None or dataset.x.nbytes <= SHARE * limit


def on_device(dataset: Dataset) -> dict[str, Array]:
    """A dataset as arrays of the default device: `x` uint8 `[n, h w c]`, and `y` if it has labels.

    Rows lie as a gather reads them, without the padding that some devices give to short axes.

    Args:
      dataset: any.
    """
    arrays = {'x': dataset.x.reshape(dataset.size, -1)}
    return jax.device_put(arrays if dataset.y is None else arrays | {'y': dataset.y})


def gather(
    arrays: dict[str, Array], rows: UInt32[Array, 'b'], image_shape: tuple[int, int, int]
) -> dict[str, Array]:
    """The batch of one step, inside a jitted program.

    Args:
      arrays: as `on_device` gives them.
      rows: which examples, each below n.
      image_shape: `(height, width, channels)`.
    """
    batch = {name: jnp.take(array, rows, axis=0, mode='clip') for name, array in arrays.items()}
    return batch | {'x': batch['x'].reshape(-1, *image_shape)}
