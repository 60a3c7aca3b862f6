"""Configs: recipes with their options as plain data."""

import json

import jax
import pytest

import genjax
from genjax import gan
from genjax.methods import recipes
from genjax.train import RunError
from genjax.train.config import (
    build,
    config_hash,
    describe_options,
    differences,
    find_recipe,
    origin,
)

SHAPE = (28, 28, 1)


@pytest.mark.parametrize('name', sorted(recipes()))
def test_the_defaults_of_a_recipe_survive_json(name):
    recipe = find_recipe(name)
    options = describe_options(recipe, {})
    again = json.loads(json.dumps(options))
    assert again == options
    state = jax.eval_shape(build(recipe, again, SHAPE).init, jax.random.key(0))
    assert state == jax.eval_shape(recipe(SHAPE).init, jax.random.key(0))


def test_options_reach_the_model():
    options = {'width': 4, 'objective': gan.hinge, 'penalties': [gan.r1], 'num_classes': 3}
    model = build(gan.dcgan, describe_options(gan.dcgan, options), SHAPE)
    assert model.num_classes == 3
    state = jax.eval_shape(model.init, jax.random.key(0))
    assert set(state.hypers) >= {'discriminator/r1', 'discriminator/adversarial'}
    kernel = state.nets['discriminator'].params['Conv_0']['kernel']
    assert kernel.shape == (4, 4, 1, 4)


@pytest.mark.parametrize(
    ('name', 'options', 'message'),
    [
        ('dcgan', {'widht': 3}, "dcgan has no option 'widht'; did you mean 'width'?"),
        ('dcgan', {'objective': 3}, 'objective: expected one of hinge'),
        ('dcgan', {'norm': 'group'}, "expected a norm among ('batch', 'layer', 'none')"),
        ('dcgan', {'weight_clip': -1.0}, 'expected a bound > 0, got -1.0'),
    ],
)
def test_bad_options_are_refused_by_name(name, options, message):
    recipe = find_recipe(name)
    with pytest.raises(RunError) as caught:
        build(recipe, describe_options(recipe, options), SHAPE)
    assert message in str(caught.value)


def test_images_that_a_recipe_cannot_take_are_refused():
    with pytest.raises(RunError, match=r'dcgan: expected images whose .* got \(30, 30, 1\)'):
        build(gan.dcgan, describe_options(gan.dcgan, {}), (30, 30, 1))


def test_an_option_without_a_default_is_asked_for():
    def mine(image_shape, *, width: int):
        return gan.dcgan(image_shape, width=width)

    with pytest.raises(RunError, match="expected a value for the option 'width', got none"):
        describe_options(mine, {})
    assert describe_options(mine, {'width': 3}) == {'width': 3}


def test_differences_are_named_by_their_path():
    old = {'seed': 0, 'options': {'width': 4, 'b1': 0.5}}
    new = {'seed': 1, 'options': {'width': 8, 'b1': 0.5}}
    assert differences(old, old) == []
    assert differences(old, new) == [
        'options.width: the run has 4, the command says 8',
        'seed: the run has 0, the command says 1',
    ]


def test_the_hash_of_a_config_is_of_what_it_is_and_not_of_where_the_data_lie():
    config = {'recipe': 'vae', 'seed': 1, 'source': '/a', 'held_out_source': None}
    mark = config_hash(config)
    # printf '{"recipe": "vae", "seed": 1}' | sha256sum
    assert mark == '84ca6c81f2a22b24'
    assert config_hash(dict(reversed(config.items()))) == mark
    assert config_hash({**config, 'source': '/b', 'held_out_source': '/c'}) == mark
    assert config_hash({**config, 'seed': 2}) != mark
    assert origin(config, 30, 5) == {
        'Software': f'genjax {genjax.__version__}',
        'Model': 'vae',
        'Config': mark,
        'Step': '30',
        'Seed': '5',
    }
