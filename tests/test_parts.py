"""Parts as text: what a command line and a config say of losses, penalties and schedules."""

import functools
import inspect
from collections.abc import Sequence
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import augment, gan, vae
from genjax.augment import AUGMENT
from genjax.gan.objectives import OBJECTIVE, ObjectiveLike
from genjax.gan.penalties import PENALTY, TermLike
from genjax.optim import OPTIMIZER
from genjax.parts import (
    SCHEDULE,
    OptionOf,
    ScalarOrSchedule,
    Slot,
    describe,
    make,
    make_all,
    makers,
    parse,
    preset,
    slot_of,
)
from genjax.train.config import build, describe_options
from genjax.train.errors import RunError
from genjax.vae.bounds import BOUND
from genjax.vae.likelihoods import LIKELIHOOD

KIND = {
    'objective': OBJECTIVE,
    'penalty': PENALTY,
    'augment': AUGMENT,
    'likelihood': LIKELIHOOD,
    'bound': BOUND,
    'rate': SCHEDULE,
    'optimizer': OPTIMIZER,
    'gan networks': gan.networks.NETWORKS,
    'vae networks': vae.networks.NETWORKS,
}


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        ('objective', 'hinge'),
        ('objective', 'minimax:label_smoothing=0.1'),
        ('penalty', 'r1:weight=5.0,every=4'),
        ('augment', 'translate:ratio=0.25'),
        ('likelihood', 'gaussian:scale=0.5'),
        ('bound', 'iwae'),
        ('bound', 'elbo:free_bits=0.5'),
        ('gan networks', 'dcgan:width=32,norm=layer'),
        ('vae networks', 'mlp:hidden=(512, 256),activation=tanh'),
        ('optimizer', 'lion:b1=0.95'),
        ('optimizer', "adam:b2=0.9,mu_dtype='bfloat16'"),
        ('penalty', 'r1:weight=linear_schedule(init_value=10,end_value=0,transition_steps=9)'),
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
    smooth = make(KIND['objective'], 'minimax:label_smoothing=0.1')
    logits = jnp.array([0.3, -2.0]), jnp.array([1.0, 0.5])
    expected = gan.minimax(0.1).discriminator(*logits)
    np.testing.assert_array_equal(smooth.discriminator(*logits), expected)
    term = make(KIND['penalty'], 'wgan-gp:every=2')
    assert (term.name, term.weight, term.every) == ('wgan_gp', 10.0, 2)
    rate = parse(KIND['rate'], 'exponential_decay:init_value=1,transition_steps=10,decay_rate=0.5')
    assert rate(10) == optax.exponential_decay(1, 10, 0.5)(10) == 0.5
    assert parse(KIND['rate'], '1e-3') == 1e-3


def test_functions_and_partials_of_them_are_described():
    assert describe(KIND['objective'], gan.hinge) == describe(KIND['objective'], 'hinge') == 'hinge'
    partial = functools.partial(gan.r1, weight=2.0)
    assert describe(KIND['penalty'], partial) == 'r1:weight=2.0'
    assert describe(KIND['rate'], 1) == '1.0'
    options = {'init_value': 1, 'end_value': 0, 'transition_steps': 5}
    schedule = functools.partial(optax.linear_schedule, **options)
    assert describe(KIND['rate'], schedule) == (
        'linear_schedule:init_value=1,end_value=0,transition_steps=5'
    )
    for part in (functools.partial(gan.r1, 0.1), functools.partial(vae.elbo, beta=2.0)):
        kind = KIND['bound' if part.func is vae.elbo else 'penalty']
        with pytest.raises(ValueError, match=r"a partial of one with keywords|no option 'beta'"):
            describe(kind, part)
    with pytest.raises(ValueError, match=r'expected one of hinge, .* or a partial of one'):
        describe(KIND['objective'], lambda: None)


def test_all_that_a_family_offers_can_be_named():
    named = {name for kind in KIND.values() for name in makers(kind)}
    offered = {'hinge', 'least_squares', 'minimax', 'non_saturating', 'relativistic', 'wasserstein'}
    offered |= {'wgan_gp', 'r1', 'r2', 'dragan', 'elbo', 'sampled_elbo', 'iwae', 'flip'}
    offered |= {'bernoulli', 'grey_bernoulli', 'gaussian', 'learned_gaussian'}
    offered |= {'discretized_logistic', 'translate', 'brightness', 'crop', 'colour', 'cutout'}
    assert offered <= named
    assert not named & {'chain', 'log_weights', 'interpolate', 'zero_centered', 'play', 'normal'}
    assert all(hasattr(gan, n) or hasattr(vae, n) or hasattr(augment, n) for n in offered)


def test_options_at_their_defaults_are_not_written():
    assert describe(KIND['penalty'], 'r1:weight=10,every=1') == 'r1'
    assert describe(KIND['gan networks'], "dcgan:norm='batch',width=64") == 'dcgan'
    assert describe(KIND['vae networks'], 'mlp:hidden=[400]') == 'mlp'


def test_an_annotation_tells_what_its_keyword_takes():
    assert slot_of(ObjectiveLike) == Slot(OBJECTIVE)
    assert slot_of(int) == Slot()
    assert slot_of(Sequence[TermLike]) == Slot(PENALTY, many=True)
    assert slot_of(ScalarOrSchedule | None) == Slot(SCHEDULE)
    assert slot_of(Annotated[int | None, OptionOf('networks')]) == Slot(of='networks')
    option = Annotated[ScalarOrSchedule | None, OptionOf('optimizer')]
    assert slot_of(option) == Slot(SCHEDULE, of='optimizer')


def test_a_part_may_be_given_in_four_ways():
    wanted = gan.r1(weight=3.0)
    for given in (wanted, functools.partial(gan.r1, weight=3.0), lambda: wanted, 'r1:weight=3.0'):
        made = make(PENALTY, given)
        assert (made.name, made.weight, made.every) == ('r1', 3.0, 1)
        assert [term.name for term in make_all(PENALTY, given)] == ['r1']
    assert [term.name for term in make_all(PENALTY, ['r1', gan.r2])] == ['r1', 'r2']
    schedule = make(
        PENALTY, 'r1:weight=linear_schedule(init_value=4,end_value=0,transition_steps=4)'
    )
    assert schedule.weight(1) == 3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'objective': 'hnge'}, "unknown name 'hnge'; did you mean 'hinge'?"),
        ({'objective': 3}, r'expected an objective: one of hinge, .* got 3'),
        ({'penalties': gan.dragan}, r'expected a penalty: one of dragan, .* got <function dragan'),
        ({'penalties': [3]}, r'expected a penalty: one of dragan, max_gp, r1, .* got 3'),
        ({'augment': 'flop'}, "unknown name 'flop'; did you mean 'flip'?"),
        ({'networks': 'mlp', 'width': 3}, "mlp has no option 'width'; known: hidden, dropout"),
        (
            {'networks': lambda: None},
            r'expected networks: one of dcgan, mlp, points, .* got <function',
        ),
        (
            {'optimizer': optax.adam(1.0)},
            'expected an optimizer: one of ada.* got Gradient',
        ),
        ({'optimizer': 'sgd', 'b1': 0.5}, "sgd has no option 'b1'; known: momentum, nesterov"),
        ({'generator_learning_rate': 'fast'}, "unknown name 'fast'"),
        ({'optimizer': functools.partial(optax.adam, 0.1)}, 'expected an optimizer: one of'),
        ({'optimizer': optax.scale_by_adam}, 'takes a learning rate, got its part scale_by_adam'),
        ({'networks': lambda *shapes: None}, r'expected networks that make a gan.Pair, got None'),
        ({'image_shape': (8, 28, 28, 1)}, r'expected \(height, width, channels\) of images'),
    ],
)
def test_every_wrong_part_is_refused_with_what_there_is(options, message):
    with pytest.raises(ValueError, match=message):
        gan.dcgan(**options)


def family(shape: int = 1, *, width: int = 2, depth: int = 3) -> tuple[int, int, int]:
    """A family.

    Args:
      shape: of all,
        in two lines.
      width: of a layer.
      depth: of layers.
    """
    return shape, width, depth


def test_a_preset_is_its_family_with_other_defaults():
    @preset(family, depth=7)
    def deep():
        """Deep, Someone 2026."""

    assert deep() == (1, 2, 7)
    assert deep(4, width=5, depth=6) == (4, 5, 6)
    assert str(inspect.signature(deep)) == (
        '(shape: int = 1, *, depth: int = 7, width: int = 2) -> tuple[int, int, int]'
    )
    assert (deep.__name__, deep.__module__) == ('deep', __name__)
    assert inspect.getdoc(deep) == (
        'Deep, Someone 2026.\n\nArgs:\n  shape: of all,\n    in two lines.\n'
        '  depth: of layers.\n  width: of a layer.'
    )
    assert deep.__annotations__['depth'] is int
    with pytest.raises(TypeError, match=r"expected options of family, got \['dpeth'\]"):
        preset(family, dpeth=7)
    with pytest.raises(TypeError, match=r"deep has no option 'dpeth'; did you mean 'depth'\?"):
        deep(dpeth=3)


def test_a_presets_options_of_parts_stand_in_its_parts():
    @preset(gan.gan, hidden=(8,), b1=0.0)
    def small():
        """Small, Someone 2026."""

    told = describe_options(small, {})
    assert (told['networks'], told['optimizer']) == ('mlp:hidden=(8,)', 'adam:b1=0.0')
    told = describe_options(small, {'hidden': [32], 'b1': 0.9})
    assert (told['networks'], told['optimizer']) == ('mlp:hidden=(32,)', 'adam')


def test_one_model_has_one_text():
    networks = KIND['gan networks']
    made = functools.partial(gan.networks.dcgan, norm='layer', width=32)
    told = {describe(networks, way) for way in (made, 'dcgan:norm=layer,width=32')}
    assert told == {'dcgan:width=32,norm=layer'}
    hidden = functools.partial(vae.networks.mlp, hidden=[200])
    assert describe(KIND['vae networks'], hidden) == 'mlp:hidden=(200,)'
    assert describe(SCHEDULE, np.float32(0.5)) == '0.5'
    wild = functools.partial(gan.r1, weight=optax.linear_schedule(1, 0, 10))
    with pytest.raises(ValueError, match='expected a literal for r1:weight'):
        describe(PENALTY, wild)


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


def test_a_family_may_write_its_annotations_as_text():
    source = (
        'from __future__ import annotations\n'
        'from genjax.gan import gan as other\n'
        'from genjax.gan.objectives import ObjectiveLike\n'
        "def family(image_shape, *, objective: ObjectiveLike = 'hinge'):\n    return objective\n"
    )
    names: dict = {'__name__': 'text'}
    exec(source, names)
    assert describe_options(names['family'], {}) == {'objective': 'hinge'}
    chosen = describe_options(names['family'], {'objective': gan.least_squares})
    assert chosen == {'objective': 'least_squares'}


def test_a_preset_of_parts_of_its_own_goes_by_its_name():
    def pair(shape, latent_dim, num_classes):
        return gan.networks.mlp(shape, latent_dim, num_classes, hidden=(4,))

    @preset(gan.gan, networks=pair, latent_dim=3)
    def mine():
        """Mine."""

    told = describe_options(mine, {})
    assert 'networks' not in told
    assert told['latent_dim'] == 3
    with pytest.raises(RunError, match='networks: expected one of dcgan, mlp'):
        describe_options(mine, {'networks': pair})
    assert build(mine, told, (4, 4, 1)).latent_dim == 3
