"""Parts as text: what a command line and a config say of losses, penalties and schedules."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import augment, gan, vae
from genjax.core import made
from genjax.gan.objectives import ObjectiveLike
from genjax.train.parts import KINDS, describe, kind_of, makers, parse

KIND = dict(
    zip(('objective', 'penalty', 'augment', 'likelihood', 'bound', 'rate'), KINDS, strict=True)
)


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        ('objective', 'hinge'),
        ('objective', 'minimax:label_smoothing=0.1'),
        ('penalty', 'r1:weight=5.0,every=4'),
        ('augment', 'translate:ratio=0.25'),
        ('likelihood', 'gaussian:scale=0.5'),
        ('bound', 'iwae'),
        ('rate', '0.001'),
        ('rate', 'cosine_decay_schedule:init_value=0.001,decay_steps=100'),
        (
            'rate',
            'piecewise_constant_schedule:init_value=1.0,boundaries_and_scales={10: 0.1, 20: 1}',
        ),
    ],
)
def test_text_names_a_part_and_a_part_names_its_text(kind, text):
    assert describe(KIND[kind], parse(KIND[kind], text)) == text


def test_a_named_part_is_that_part():
    smooth = made(parse(KIND['objective'], 'minimax:label_smoothing=0.1'))
    logits = jnp.array([0.3, -2.0]), jnp.array([1.0, 0.5])
    expected = gan.minimax(0.1).discriminator(*logits)
    np.testing.assert_array_equal(smooth.discriminator(*logits), expected)
    term = made(parse(KIND['penalty'], 'wgan-gp:every=2'))
    assert (term.name, term.weight, term.every) == ('wgan_gp', 10.0, 2)
    rate = parse(KIND['rate'], 'exponential_decay:init_value=1,transition_steps=10,decay_rate=0.5')
    assert rate(10) == optax.exponential_decay(1, 10, 0.5)(10) == 0.5
    assert parse(KIND['rate'], '1e-3') == 1e-3


def test_functions_and_partials_of_them_are_described():
    assert describe(KIND['objective'], gan.hinge) == describe(KIND['objective'], 'hinge') == 'hinge'
    partial = functools.partial(gan.r1, weight=2.0)
    assert describe(KIND['penalty'], partial) == 'r1:weight=2.0'
    assert describe(KIND['rate'], 1) == '1.0'
    schedule = functools.partial(optax.linear_schedule, init_value=1, end_value=0)
    assert describe(KIND['rate'], schedule) == 'linear_schedule:init_value=1,end_value=0'
    for part in (functools.partial(gan.r1, 0.1), functools.partial(vae.elbo, beta=2.0)):
        kind = KIND['bound' if part.func is vae.elbo else 'penalty']
        with pytest.raises(ValueError, match=r'a partial of one with keywords'):
            describe(kind, part)
    with pytest.raises(ValueError, match=r'expected one of hinge, .* or a partial of one'):
        describe(KIND['objective'], lambda: None)


def test_all_that_a_family_offers_can_be_named():
    named = {name for kind in KINDS for name in makers(kind)}
    offered = {'hinge', 'least_squares', 'minimax', 'non_saturating', 'relativistic', 'wasserstein'}
    offered |= {'wgan_gp', 'r1', 'r2', 'dragan', 'elbo', 'sampled_elbo', 'iwae', 'flip'}
    offered |= {'bernoulli', 'grey_bernoulli', 'gaussian', 'learned_gaussian'}
    offered |= {'discretized_logistic', 'translate', 'brightness', 'crop', 'colour', 'cutout'}
    assert offered <= named
    assert not named & {'chain', 'log_weights', 'interpolate', 'zero_centered', 'play', 'normal'}
    assert all(hasattr(gan, n) or hasattr(vae, n) or hasattr(augment, n) for n in offered)


def test_an_annotation_tells_the_kind():
    assert kind_of(ObjectiveLike) == (KIND['objective'], False)
    assert kind_of(int) == (None, False)


@pytest.mark.parametrize(
    ('kind', 'text', 'message'),
    [
        ('objective', 'hnge', "unknown name 'hnge'; did you mean 'hinge'?"),
        ('objective', '', "unknown name ''; known: hinge, least_squares"),
        ('penalty', 'r1:wieght=1', "r1 has no option 'wieght'; did you mean 'weight'?"),
        ('penalty', 'r1:weight', "expected option=value after 'r1', got 'weight'"),
        ('penalty', 'r1:weight=__import__("os")', 'expected a literal for r1:weight'),
        ('rate', 'nan', "expected a finite number, got 'nan'"),
        ('rate', 'cosine_decay_schedule', 'missing 2 required positional arguments'),
        ('rate', 'cosine', "unknown name 'cosine'"),
    ],
)
def test_what_names_nothing_is_refused(kind, text, message):
    with pytest.raises(ValueError) as caught:
        parse(KIND[kind], text)
    assert message in str(caught.value)
