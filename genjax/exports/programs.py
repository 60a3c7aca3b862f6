"""Exported programs: written for the oldest JAX that reads them, read as functions."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.mlir.dialects import stablehlo

# The lowest that pyproject allows, and what its jaxlib has of StableHLO. JAX itself writes for
# readers four weeks old; 0.12, of every symbolic batch, a custom call that 0.10 does not know.
OLDEST_JAX, OLDEST_STABLEHLO = '0.10.2', '1.17.0'


class _Portable(jax.export.Exported):
    """A program whose gradient is for the oldest reader, too."""

    def vjp(self) -> jax.export.Exported:
        return portable(super().vjp())


def portable(program: jax.export.Exported) -> jax.export.Exported:
    """The same program in the StableHLO that `OLDEST_JAX` reads.

    Args:
      program: as `jax.export.export` made it.
    """
    fields = {field.name: getattr(program, field.name) for field in dataclasses.fields(program)}
    module = stablehlo.deserialize_portable_artifact_str(program.mlir_module_serialized)
    artifact = stablehlo.serialize_portable_artifact_str(module, OLDEST_STABLEHLO)
    return _Portable(**{**fields, 'mlir_module_serialized': artifact})


def read_program(data: bytes) -> jax.export.Exported:
    """A program, which this JAX reads: JAX alone would try that only where it is called.

    Args:
      data: as `Exported.serialize` gives them.

    Raises:
      ValueError: and others, for what is no such program.
    """
    program = jax.export.deserialize(bytearray(data))
    for part in (program, program.vjp()) if program.has_vjp() else (program,):
        stablehlo.deserialize_portable_artifact_str(part.mlir_module_serialized)
    return program


def function(program: jax.export.Exported) -> Callable[..., Any]:
    """`(weights, x, *rest) -> outputs`, as a function that `jax.grad` and `jax.vmap` take.

    Its gradient is that in x. JAX's own call of a program knows no `vmap`.

    Args:
      program: of weights and of any number of examples, each on its own.
    """
    forward = _folded(program.call)

    @_folded
    def pull_back(weights, cotangents, *inputs):
        primals = jax.tree.leaves((weights, *inputs))
        gradients = program.vjp().call(*primals, *jax.tree.leaves(cotangents))
        return gradients[len(jax.tree.leaves(weights))]

    def backward(kept, cotangents):
        if not program.has_vjp():
            raise ValueError(
                'expected a model that was exported with its gradients, got one without: '
                'export the run again'
            )
        weights, *inputs = kept
        return None, pull_back(weights, cotangents, *inputs), *[None] * len(inputs[1:])

    @jax.custom_vjp
    def apply(*arguments):
        return forward(*arguments)

    apply.defvjp(lambda *arguments: (forward(*arguments), arguments), backward)
    return apply


def _folded(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run(weights, *examples)`, of which `vmap` makes one run of more examples."""

    @jax.custom_batching.custom_vmap
    def apply(weights, *examples):
        return run(weights, *examples)

    @apply.def_vmap
    def several(size, batched, weights, *examples):
        def fold(leaf, is_batched):
            leaf = leaf if is_batched else jnp.broadcast_to(leaf, (size, *leaf.shape))
            return leaf.reshape(-1, *leaf.shape[2:])

        out = apply(weights, *jax.tree.map(fold, examples, tuple(batched[1:])))
        unfolded = jax.tree.map(lambda leaf: leaf.reshape(size, -1, *leaf.shape[1:]), out)
        return unfolded, jax.tree.map(lambda _: True, out)

    return apply
