"""Many devices as one: a mesh, and how a state and its batches lie on it.

    mesh = parallel.mesh()                                  # of all devices
    state = parallel.shard(model.init(key), mesh)
    step = parallel.on_mesh(model.train_step, parallel.state_shardings(state, mesh))
    state, metrics = step(state, parallel.shard_batch(batch, mesh))

Each device computes the rows of the batch that lie on it; the compiler divides the program and adds
the communication. What is a mean over the batch, batch norm's statistics too, stays one over the
whole batch, and the noise is that of one device: a result depends on the devices by rounding only.

A mesh of one's own may have the axis `data` alone, and explicit axes.
"""

import contextlib
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax import lax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from genjax.meshes import as_state, implicit

# The examples of a batch are divided over all axes, large leaves of a state over the second.
AXES = ('data', 'params')
# A mesh of one's own may do without the second.
_KNOWN = (AXES, AXES[:1])
# A leaf of fewer elements is not worth its communication.
LARGE = 2**14


def join(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Makes this process one of several that train together; to be called before JAX is used.

    Args:
      coordinator: HOST:PORT of the first of several processes that train together, each with the
        same command and the same run folder; or 'auto' where Slurm, Open MPI, Kubernetes or a Cloud
        TPU tells who they are.
      num_processes: how many train together; unless that is told.
      process_id: which of them this one is, from 0; unless that is told.

    Raises:
      ValueError: nothing tells who they are, or the others do not come.
    """
    if coordinator is None:
        if (num_processes, process_id) != (None, None):
            raise ValueError('expected a coordinator, HOST:PORT, with num_processes and process_id')
        return
    # It would catch SIGTERM, which a training listens to itself.
    jax.config.update('jax_enable_preemption_service', False)
    address = None if coordinator == 'auto' else coordinator
    try:
        jax.distributed.initialize(address, num_processes, process_id, shutdown_timeout_seconds=60)
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f'expected to meet the other processes at {coordinator}: {error}'
        ) from None


def leads() -> bool:
    """Whether this process is the one that writes what all know."""
    return jax.process_index() == 0


def agreed(number: int) -> int:
    """The greatest of the numbers that the processes bring; each waits for the others.

    Args:
      number: an int32.
    """
    if jax.process_count() == 1:
        return number
    from jax.experimental import multihost_utils

    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


@contextlib.contextmanager
def together(refusal: Exception) -> Iterator[None]:
    """What fails in one process fails in all, so that none waits for one that has left.

    Args:
      refusal: what to raise where it was another that failed.
    """
    failed = True
    try:
        yield
        failed = False
    finally:
        if agreed(failed) and not failed:
            raise refusal


def mesh(devices: int = 0, shard_params: int = 1) -> Mesh:
    """The devices as a mesh of two axes.

    Args:
      devices: how many; 0 for all that there are.
      shard_params: over how many of them each large leaf of a state is divided; the groups of so
        many hold copies. It divides `devices`.

    Raises:
      ValueError: fewer devices are there, some of those of another process are left out, or they do
        not divide.
    """
    count = devices or jax.device_count()
    if not 0 < count <= jax.device_count():
        raise ValueError(f'expected at most {jax.device_count()} devices, got devices={devices}')
    if jax.process_count() > 1 and count != jax.device_count():
        raise ValueError(
            f'expected all {jax.device_count()} devices of {jax.process_count()} processes, '
            f'got devices={devices}'
        )
    if shard_params < 1 or count % shard_params:
        raise ValueError(
            f'expected shard_params to divide the {count} devices, got shard_params={shard_params}'
        )
    shape = (count // shard_params, shard_params)
    return _mesh(shape, jax.devices()[:count])


def _mesh(shape, devices):
    return jax.make_mesh(shape, AXES, (AxisType.Auto,) * 2, devices=devices)


def mesh_of(tree: PyTree) -> Mesh:
    """The mesh on which arrays lie; for plain arrays, one of their device.

    Args:
      tree: arrays that lie together, say a state.
    """
    sharding = jax.tree.leaves(tree)[0].sharding
    if isinstance(sharding, NamedSharding) and isinstance(sharding.mesh, Mesh):
        return sharding.mesh
    return _mesh((1, 1), list(sharding.device_set))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of what lies whole on each device."""
    return NamedSharding(mesh, P())


def batch_sharding(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """The sharding of batches: each device has as many examples as the others.

    Args:
      mesh: as `mesh` makes it.
      axis: of the examples.

    Raises:
      ValueError: a mesh of other axes.
    """
    _check(mesh)
    return NamedSharding(mesh, _rows(mesh, axis))


def _rows(mesh: Mesh | AbstractMesh, axis: int) -> P:
    return P(*(None,) * axis, mesh.axis_names)


def state_shardings(tree: PyTree, mesh: Mesh) -> PyTree:
    """How a state lies on a mesh: leaves of `LARGE` elements or more are divided along their
    longest axis that the mesh's axis `params` divides; others lie whole on each device.

    The leaves of parameters, averages and optimizer states have the same shapes, hence the same
    shardings.

    Args:
      tree: a state of arrays or of `jax.ShapeDtypeStruct`.
      mesh: as `mesh` makes it.

    Raises:
      ValueError: a mesh of other axes.
    """
    _check(mesh)
    n = mesh.shape.get('params', 1)

    def one(leaf):
        fitting = [axis for axis, size in enumerate(leaf.shape) if size % n == 0]
        if n == 1 or leaf.size < LARGE or not fitting:
            return replicated(mesh)
        longest = max(fitting, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, P(*(None,) * longest, 'params'))

    return jax.tree.map(one, tree)


def _check(mesh: Mesh | AbstractMesh) -> None:
    if mesh.axis_names not in _KNOWN:
        raise ValueError(
            f"expected a mesh of the axis 'data', or of the axes {AXES} as genjax.parallel.mesh "
            f'makes it, got {mesh.axis_names}'
        )


def shard(state: PyTree, mesh: Mesh) -> PyTree:
    """A state on a mesh, as `state_shardings` has it.

    Args:
      state: of any model.
      mesh: as `mesh` makes it.
    """
    lying = state_shardings(state, mesh)
    if mesh.is_multi_process:  # There `device_put` takes no keys.
        return jax.jit(_same, out_shardings=lying)(state)
    return jax.device_put(state, lying)


def _same(tree):
    return tree


def shard_batch(batch: PyTree, mesh: Mesh) -> PyTree:
    """A batch on a mesh; where the devices do not divide it, it lies whole on each.

    Args:
      batch: arrays `[b, ...]`. Of several processes each has all of it. On a CPU arrays of NumPy
        may stay where they are: do not refill them.
      mesh: as `mesh` makes it.
    """

    def one(leaf):
        sharding = replicated(mesh) if len(leaf) % mesh.size else batch_sharding(mesh)
        if isinstance(leaf, jax.Array):
            return jax.device_put(leaf, sharding)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(one, batch)


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Arrays of a mesh, each whole on each device, where any process can read it.

    Args:
      tree: arrays that lie on the mesh in any way.
      mesh: as `mesh` makes it.
    """
    return jax.device_put(tree, replicated(mesh))


def on_mesh(step: Callable, shardings: PyTree) -> Callable:
    """A training step, jitted, whose state lies as `shardings` say before and after it.

    Within the step the networks are whole on each device: of a state that is divided, optimizers
    and averages stay so, and only gradients and parameters travel.

    Args:
      step: `train_step` of any model.
      shardings: of its state.
    """
    mesh = jax.tree.leaves(shardings)[0].mesh

    def run(state, batch):
        nets = lax.with_sharding_constraint(state.nets, P())
        return step(state.replace(nets=nets), batch)

    def inside(state, batch):
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return implicit(run, as_state)(state, batch)

    return jax.jit(inside, out_shardings=(shardings, replicated(mesh)))


def like_batch(tree: PyTree, axis: int = 0) -> PyTree:
    """On a mesh, as in `on_mesh`, what was drawn for a batch lies as it does; elsewhere no change.

    The compiler would compute on each device all that depends on no input in parts.

    Args:
      tree: arrays.
      axis: of the examples.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.axis_names not in _KNOWN or set(mesh.axis_types) != {AxisType.Auto}:
        return tree
    rows = _rows(mesh, axis)

    def one(leaf):
        divided = leaf.shape[axis] % mesh.size == 0
        return lax.with_sharding_constraint(leaf, rows) if divided else leaf

    return jax.tree.map(one, tree)
