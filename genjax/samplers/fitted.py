"""VAEs whose latents are drawn by a sampler that was fitted after training."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from genjax.core import Net, State
from genjax.latents.distributions import Normal
from genjax.meshes import implicit
from genjax.parts import make
from genjax.samplers.learned import SAMPLER, Arrays, Codes, SamplerLike
from genjax.vae.uses import sampled
from genjax.vae.variational import VAE

_ROWS = 256  # images that are encoded at once


def codes_of(
    model: VAE, state: State, key: Key[Array, ''], x: Any, y: Int[Any, 'n'] | None = None
) -> Codes:
    """What samplers are fitted to, of some images.

    Args:
      model: a VAE.
      state: of it.
      key: of the samples of the posteriors.
      x: images [n, h, w, c], uint8 or float in [-1, 1].
      y: their labels [n], where the model takes them.
    """
    found = []
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        q = model.encode(state, x[rows], None if y is None else y[rows])
        z = q.sample(jax.random.fold_in(key, start), 1)[0]
        found.append(Codes(z, q if isinstance(q, Normal) else None))
    return jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)), *found)


def with_sampler(
    model: VAE, state: State, sampler: SamplerLike, arrays: Arrays
) -> tuple[VAE, State]:
    """A model that draws its latents by a fitted sampler in place of the prior.

        codes = samplers.codes_of(model, state, key, images)
        arrays = samplers.gmm(components=10).fit(key, codes)
        model, state = samplers.with_sampler(model, state, samplers.gmm, arrays)
        images = model.sample(state, key, 64)

    Bounds and likelihoods stay those of the prior.

    Args:
      model: a VAE.
      state: of it.
      sampler: that the arrays are of.
      arrays: as its `fit` gives them; they become a network of the state, `sampler`.
    """
    draw = make(SAMPLER, sampler).draw

    @jax.jit
    @implicit
    def latents(state, keys):
        return jax.vmap(partial(draw, state.nets['sampler'].params))(keys)

    nets = {**state.nets, 'sampler': Net(arrays, {})}
    sample = sampled(latents, model.decode, model.num_classes)
    return model._replace(latents=latents, sample=sample), state.replace(nets=nets)
