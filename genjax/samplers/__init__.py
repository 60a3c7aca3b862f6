"""Distributions of a VAE's latents that are fitted after training, to those of its images."""

from genjax.samplers.fitted import codes_of, with_sampler
from genjax.samplers.learned import (
    SAMPLER,
    Codes,
    Sampler,
    SamplerLike,
    gmm,
    hypersphere,
    iaf,
    maf,
    two_stage,
    vamp,
)
from genjax.samplers.manifolds import manifold

__all__ = [
    'SAMPLER',
    'Codes',
    'Sampler',
    'SamplerLike',
    'codes_of',
    'gmm',
    'hypersphere',
    'iaf',
    'maf',
    'manifold',
    'two_stage',
    'vamp',
    'with_sampler',
]
