"""Strict settings for every test."""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax

from genjax.machine import own_process

jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_debug_key_reuse', True)
own_process()
