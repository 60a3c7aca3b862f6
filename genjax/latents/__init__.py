"""Distributions over latents: in space, on spheres, in hyperbolic space, of choices; flows."""

from genjax.latents import distributions, flows, hyperbolic, radii, relaxed, spheres
from genjax.latents.distributions import FullNormal, Mixture, Normal, Point, normal, standard_normal
from genjax.latents.hyperbolic import RiemannianNormal, WrappedNormal
from genjax.latents.relaxed import Concrete
from genjax.latents.spheres import UniformSphere, VonMisesFisher

__all__ = [
    'Concrete',
    'FullNormal',
    'Mixture',
    'Normal',
    'Point',
    'RiemannianNormal',
    'UniformSphere',
    'VonMisesFisher',
    'WrappedNormal',
    'distributions',
    'flows',
    'hyperbolic',
    'normal',
    'radii',
    'relaxed',
    'spheres',
    'standard_normal',
]
