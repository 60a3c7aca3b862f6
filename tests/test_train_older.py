"""Runs of version 0.1.0 in its last state, four steps each: they go on as they would have.

`old_runs` has their folders, and what that version then made of them: samples, what an exported
model drew, the bound, and the sums of all leaves after two more steps. On one machine and one JAX
all of it was the same bit for bit; on another one it is the same but for rounding.
"""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import genjax
from genjax.evaluation import samples
from genjax.gan.penalties import TermLike
from genjax.train import RunError, load, train
from genjax.train.config import upgraded
from genjax.train.leaves import places
from tests.contracts.subject import plain

FOLDER = Path(__file__).parent / 'old_runs'
SCHEDULE = 'cosine_decay_schedule:init_value=0.001,decay_steps=100'
OPTIONS = {
    'dcgan': {
        'width': 4, 'norm': 'layer', 'penalties': ['r1:weight=0.1,every=2'], 'num_classes': 10,
    },
    'wgan_gp': {'width': 4, 'n_critic': 2, 'penalties': ['wgan_gp:weight=5.0']},
    'vae': {
        'hidden': (8,), 'warmup': 10, 'beta': 2.0, 'likelihood': 'gaussian:scale=0.5',
        'ema_decay': 0.9,
    },
    'conv_vae': {'width': 4, 'dropout': 0.1, 'learning_rate': SCHEDULE},
}  # fmt: skip


@pytest.fixture(params=OPTIONS)
def old(request, tmp_path, monkeypatch):
    """The name of a run, its folder, and what was made of it."""
    monkeypatch.setattr('genjax.precision.best_precision', lambda: 'float32')
    with tarfile.open(FOLDER / f'{request.param}.tar.xz') as archive:
        archive.extractall(tmp_path, filter='data')
    return request.param, tmp_path / request.param, np.load(FOLDER / f'{request.param}.npz')


def continued(name, folder, **changes):
    latent_dim = 3 if name.endswith('vae') else 4
    options = {'latent_dim': latent_dim, **OPTIONS[name], **changes}
    pace = {'steps': 6, 'dispatch': 2, 'sample_every': 2, 'eval_every': 6}
    return train(name, 'digits', run=folder, batch_size=8, seed=3, **pace, **options)


def test_an_old_run_draws_exports_and_goes_on(old, tmp_path):
    name, folder, expected = old
    run = load(folder)
    np.testing.assert_allclose(samples(run, 4, 7).x, expected['samples'], atol=2e-3)
    if 'elbo' in expected:
        batch = {'x': np.zeros((2, 28, 28, 1), np.uint8)}
        elbo = run.model.evaluate(run.state, jax.random.key(1), batch, 2)['elbo']
        np.testing.assert_allclose(elbo, expected['elbo'], rtol=1e-4)
    exported = genjax.load_exported(genjax.export(run, tmp_path / 'exported'))
    drawn = exported.sample(jax.random.key(2), 3)
    np.testing.assert_allclose(drawn, expected['exported'], atol=2e-3)
    leaves = plain(continued(name, folder).state)
    counts = [leaf for name, leaf in leaves.items() if name.endswith("['steps']")]
    assert [int(count) for count in counts] == [6] * len(run.state.ema)
    newer = ("/ema_decay']", "['steps']")
    assert set(expected['leaves']) == {name for name in leaves if not name.endswith(newer)}
    columns = (expected[name] for name in ('leaves', 'sums', 'sizes'))
    for leaf, total, size in zip(*columns, strict=True):
        if leaf.startswith(".ema['generator'].stats"):  # Those of the trained generator then.
            continue
        assert abs(np.sum(leaves[leaf], dtype=np.float64) - total) <= 2e-3 * size + 1e-6, leaf


def test_an_old_run_refuses_other_options(tmp_path):
    with tarfile.open(FOLDER / 'wgan_gp.tar.xz') as archive:
        archive.extractall(tmp_path, filter='data')
    with pytest.raises(RunError) as caught:
        continued('wgan_gp', tmp_path / 'wgan_gp', norm='none')
    assert str(caught.value).splitlines()[1:] == [
        "  options.networks: the run has 'dcgan:width=4,norm=layer', the command says "
        "'dcgan:width=4,norm=none'"
    ]


def test_a_config_is_upgraded_once_and_for_all():
    old = {'recipe': 'wgan_gp', 'options': {'width': 8, 'weight': 3.0, 'n_critic': 2}}
    new = upgraded(old, genjax.gan.wgan_gp)
    assert new['options']['networks'] == 'dcgan:width=8,norm=layer'
    assert new['options']['penalties'] == ['wgan_gp:weight=3.0']
    assert new['options']['optimizer'] == 'adam:b1=0.0,b2=0.9'
    assert upgraded(new, genjax.gan.wgan_gp) == new


def test_a_recipe_of_ones_own_is_upgraded_by_its_own_options():
    def vae(image_shape, *, depth=3, penalties: Sequence[TermLike] = ()):
        return genjax.vae.vae(image_shape)

    old = {'recipe': 'vae', 'options': {'penalties': ['r1:weight=10.0']}}
    assert upgraded(old, vae)['options'] == {'depth': 3, 'penalties': ['r1']}
    other = {'recipe': 'vae', 'options': {'width': 3}}
    assert upgraded(other, vae) == other


@pytest.mark.parametrize('rate', [0.1, optax.linear_schedule(0.1, 0.0, 9)])
def test_leaves_of_optimizers_are_found_where_a_chain_has_moved(rate):
    """Clipping and L2 were links of Adam's own chain."""
    params, state = {'kernel': jnp.ones((2, 2))}, {}
    state['opt'] = {'vae': genjax.optim.adam(rate, l2=0.1, clip_norm=1.0).init(params)}
    wanted = [name.replace("['opt']", '.opt') for name in plain(state)]
    saved = [f".opt['vae'][1].{leaf}" for leaf in ('count', "mu['kernel']", "nu['kernel']")]
    saved += [".opt['vae'][3].count"] if callable(rate) else []
    at = places(wanted, saved)
    assert sorted(set(at.values())) == saved
    assert set(at) == set(wanted)
    assert all(name.endswith(found.rpartition('].')[2]) for name, found in at.items())
    assert places(['.step', '.key'], ['.step']) == {'.step': '.step'}
