"""Datasets that live on the device, from which a compiled program takes its batches itself."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import Sharding
from jaxtyping import Array, UInt32

from genjax.data.dataset import Dataset, mapped

# Of the device's memory; the rest is for the model.
SHARE = 0.25


def fits(dataset: Dataset, devices: Sequence[jax.Device] | None = None) -> bool:
    """Whether a dataset is to live on the devices, whole on each.

    It is where it takes a quarter of the memory that each device says to have, or less. A device
    that says nothing, such as a CPU, shares the host's memory: what is there already, fits. What
    is mapped from a file, `numpy.memmap`, does not.

    Args:
      dataset: any.
      devices: of this process; None for the default one.
    """
    if mapped(dataset.x):
        return False
    devices = devices or jax.local_devices()[:1]
    limits = [(device.memory_stats() or {}).get('bytes_limit') for device in devices]
    return all(limit is None or dataset.x.nbytes <= SHARE * limit for limit in limits)


def on_device(dataset: Dataset, sharding: Sharding | None = None) -> dict[str, Array]:
    """A dataset as arrays of devices: `x` uint8 `[n, h w c]`, and `y` if it has labels.

    Rows lie as a gather reads them, without the padding that some devices give to short axes. On a
    CPU they may lie where those of the dataset do, which are not to change then.

    Args:
      dataset: any.
      sharding: where it is to lie; None for the default device.
    """
    arrays = {'x': dataset.x.reshape(dataset.size, -1)}
    if dataset.y is not None:
        arrays['y'] = dataset.y
    if sharding is None:
        return jax.device_put(arrays)
    return {
        name: jax.make_array_from_process_local_data(sharding, array, array.shape)
        for name, array in arrays.items()
    }


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
