"""Exported models: what is in their folders, and that they are the models that were exported."""

import contextlib
import hashlib
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import genjax
from genjax import export, gan, load_exported, vae
from genjax.cli import main
from genjax.exports import writer as exporting
from genjax.exports.programs import OLDEST_JAX
from genjax.train import Run, RunError, load
from genjax.train.config import config_hash, describe_options

SHAPE = (28, 28, 1)
ROWS = {
    'dcgan': (gan.dcgan, {'width': 4, 'latent_dim': 5, 'num_classes': 3, 'ema_decay': 0.9}),
    'plain_dcgan': (gan.dcgan, {'width': 4, 'latent_dim': 5, 'ema_decay': None}),
    'vae': (vae.vae, {'hidden': (8,), 'latent_dim': 3, 'num_classes': 2}),
    'conv_vae': (
        vae.conv_vae,
        {'width': 4, 'latent_dim': 3, 'ema_decay': 0.9, 'likelihood': vae.discretized_logistic},
    ),
}


def a_run(name, folder):
    """A run that was not trained, but whose weights, averages and statistics all differ."""
    recipe, options = ROWS[name]
    model = recipe(SHAPE, **options)
    state = model.init(jax.random.key(0))
    rng = np.random.default_rng(0)

    def moved(leaf):
        return jnp.asarray(np.abs(leaf + 0.1 * rng.normal(size=leaf.shape)), leaf.dtype)

    nets, ema = (jax.tree.map(moved, part) for part in (state.nets, state.ema))
    config = {
        'recipe': recipe.__name__,
        'options': describe_options(recipe, options),
        'image_shape': list(SHAPE),
        'fingerprint': '0123456789abcdef',
        'source': '/home/someone/digits.npz',
        'held_out': 0.1,
        'held_out_source': None,
    }
    return Run(model, state.replace(nets=nets, ema=ema, step=jnp.int32(7)), config, folder)


@pytest.fixture(scope='module')
def exports(tmp_path_factory):
    """By row, a run and the folder it was exported to, made when asked for."""
    made, folder = {}, tmp_path_factory.mktemp('exports')

    def get(name):
        if name not in made:
            run = a_run(name, folder)
            made[name] = run, export(run, folder / name)
        return made[name]

    return get


def labels(run, n):
    return () if run.model.num_classes is None else (np.arange(n) % run.model.num_classes,)


SIZES = [(name, n) for name in ('dcgan', 'conv_vae') for n in (1, 3, 64)]


@pytest.mark.parametrize(('name', 'n'), [*SIZES, ('plain_dcgan', 3), ('vae', 3)])
def test_its_functions_are_the_models_for_any_number_of_images(exports, name, n):
    run, folder = exports(name)
    exported, y = load_exported(folder), labels(run, n)
    z = np.random.default_rng(1).normal(size=(n, run.model.latent_dim)).astype(np.float32)
    near = {'rtol': 1e-4, 'atol': 1e-5}
    if isinstance(run.model, gan.GAN):
        assert exported.encode is exported.decode is None
        np.testing.assert_allclose(
            exported.generate(z, *y), run.model.generate(run.state, z, *y), **near
        )
        return
    np.testing.assert_allclose(exported.decode(z, *y), run.model.decode(run.state, z, *y), **near)
    x = np.random.default_rng(2).integers(0, 256, (n, *SHAPE), np.uint8)
    posterior, parameters = run.model.encode(run.state, x, *y), exported.encode(x, *y)
    np.testing.assert_allclose(parameters['mean'], posterior.mean, **near)
    np.testing.assert_allclose(parameters['log_var'], posterior.log_var, **near)
    assert set(parameters) == {'mean', 'log_var'}


@pytest.mark.parametrize('name', ['dcgan', 'conv_vae'])
def test_it_draws_for_a_key_what_the_model_draws(exports, name):
    run, folder = exports(name)
    key = jax.random.key(5)
    images = load_exported(folder).sample(key, 9)
    np.testing.assert_allclose(images, run.model.sample(run.state, key, 9), atol=1e-5)
    assert images.dtype == jnp.float32
    assert np.std(images) > 0.01


@pytest.mark.parametrize('name', sorted(ROWS))
def test_programs_hold_no_weights_no_dead_code_and_no_calls_of_libraries(exports, name):
    _, folder = exports(name)
    for path in folder.glob('*.stablehlo'):
        program = jax.export.deserialize(bytearray(path.read_bytes()))
        text = program.mlir_module()
        assert program.platforms == ('cpu', 'cuda', 'tpu')
        assert 'dense<"0x' not in text
        assert 'threefry' not in text
        # JAX checks with this one that the batch is not empty, and takes it away again.
        assert set(re.findall(r'custom_call @(\w+)', text)) <= {'shape_assertion'}
        # Products for a CPU, convolutions for the others.
        assert ('stablehlo.convolution' in text) == (name != 'vae')
        assert 'stablehlo.dot_general' in text


@pytest.mark.parametrize('name', ['dcgan', 'plain_dcgan', 'vae'])
def test_weights_are_the_averaged_ones_of_the_networks_in_use(exports, name):
    run, folder = exports(name)
    weights = safetensors.numpy.load_file(folder / 'weights.safetensors')
    nets = run.state.ema or run.state.nets
    networks = {'generator'} if 'dcgan' in name else {'encoder', 'decoder'}
    assert {key.split('/')[0] for key in weights} == networks
    for network in networks:
        for path, leaf in jax.tree_util.tree_leaves_with_path(nets[network].params):
            key = '/'.join([network, 'params', *(entry.key for entry in path)])
            np.testing.assert_array_equal(weights.pop(key), leaf)
    if 'dcgan' in name:
        mean = nets['generator'].stats['batch_stats']['BatchNorm_0']['mean']
        key = 'generator/stats/batch_stats/BatchNorm_0/mean'
        np.testing.assert_array_equal(weights[key], mean)
    assert all('/stats/' in key for key in weights)
    with safetensors.safe_open(folder / 'weights.safetensors', 'numpy') as file:
        assert file.metadata() == {
            'genjax': genjax.__version__,
            'recipe': run.config['recipe'],
            'config': config_hash(run.config),
            'step': '7',
        }


def test_weights_are_written_whatever_their_layout(exports, tmp_path):
    """Arrays that JAX hands over, and safetensors 0.8, which writes memory as it lies."""
    run, folder = exports('vae')
    nets = jax.tree.map(lambda leaf: np.asfortranarray(leaf), run.state.nets)
    other = export(run._replace(state=run.state.replace(nets=nets)), tmp_path / 'columns')
    weights = [safetensors.numpy.load_file(f / 'weights.safetensors') for f in (folder, other)]
    assert any(leaf.ndim == 2 and not leaf.flags.c_contiguous for leaf in jax.tree.leaves(nets))
    jax.tree.map(np.testing.assert_array_equal, *weights)


def test_gradients_and_vmap_are_those_of_the_model(exports):
    run, folder = exports('dcgan')
    generate, y = load_exported(folder).generate, np.arange(4) % 3
    z = np.random.default_rng(1).normal(size=(4, run.model.latent_dim)).astype(np.float32)

    def gradient(draw):
        return jax.grad(lambda z: jnp.sum(draw(z, y) ** 2))(z)

    expected = gradient(lambda z, y: run.model.generate(run.state, z, y))
    np.testing.assert_allclose(gradient(generate), expected, rtol=1e-3, atol=1e-3)
    pairs = jax.vmap(generate)(z.reshape(2, 2, -1), y.reshape(2, 2))
    np.testing.assert_allclose(pairs.reshape(4, *SHAPE), generate(z, y), atol=1e-5)


def test_gradients_of_an_encoder_are_those_of_the_model(exports):
    run, folder = exports('conv_vae')
    x = np.random.default_rng(1).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)
    found = jax.grad(lambda x: jnp.sum(load_exported(folder).encode(x)['mean'] ** 2))(x)
    expected = jax.grad(lambda x: jnp.sum(run.model.encode(run.state, x).mean ** 2))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


WITHOUT_RECIPES = """
    import sys, types
    from pathlib import Path
    import numpy
    sys.modules['genjax'] = None  # An import of it fails.
    exec(SNIPPET)
    numpy.savez(OUT / 'snippet.npz', images=images, **globals().get('q', {}))

    for name in ('genjax', 'genjax.train'):  # Packages that import nothing by themselves.
        package = sys.modules[name] = types.ModuleType(name)
        package.__path__ = [str(Path(ROOT, *name.split('.')))]
    for name in ('gan', 'vae', 'nn.conv', 'nn.linen', 'nn.dcgan', 'nn.mlp', 'nn.convnet',
                 'train.config', 'train.run', 'plots', 'data'):
        sys.modules[f'genjax.{name}'] = None
    from genjax.exports.reader import load_exported
    images = load_exported('.').sample(jax.random.key(0), 16)
    numpy.save(OUT / 'loaded.npy', images)
"""


@pytest.mark.parametrize('name', ['dcgan', 'conv_vae'])
def test_it_runs_without_the_code_of_its_recipe(exports, name, tmp_path):
    """By what the card says, without genjax, and by what reads such folders."""
    run, folder = exports(name)
    blocks = re.findall(r'```python\n(.*?)```', (folder / 'README.md').read_text(), re.DOTALL)
    (snippet,) = (block for block in blocks if 'import genjax' not in block)
    names = {'SNIPPET': snippet, 'ROOT': str(Path(genjax.__file__).parents[1])}
    code = ''.join(f'{key} = {value!r}\n' for key, value in names.items())
    code += f'from pathlib import Path\nOUT = Path({str(tmp_path)!r})\n'
    command = [sys.executable, '-W', 'error', '-c', code + textwrap.dedent(WITHOUT_RECIPES)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]

    key = jax.random.key(0)
    z = jax.random.normal(key, (16, run.model.latent_dim))
    draw = run.model.generate if name == 'dcgan' else run.model.decode
    expected = draw(run.state, z, *labels(run, 16))
    with np.load(tmp_path / 'snippet.npz') as snippet:
        np.testing.assert_allclose(snippet['images'], expected, atol=1e-5)
        if name == 'conv_vae':
            posterior = run.model.encode(run.state, expected)
            np.testing.assert_allclose(snippet['log_var'], posterior.log_var, atol=1e-3)
    expected = run.model.sample(run.state, key, 16)
    np.testing.assert_allclose(np.load(tmp_path / 'loaded.npy'), expected, atol=1e-5)


def test_facts_and_card_say_what_it_is(exports):
    run, folder = exports('vae')
    facts = json.loads((folder / 'model.json').read_text())
    b28 = {'shape': ['b', 28, 28, 1], 'dtype': 'float32'}
    b3, y = {'shape': ['b', 3], 'dtype': 'float32'}, {'shape': ['b'], 'dtype': 'int32'}
    assert facts['programs'] == {
        'encode': {'inputs': {'x': b28, 'y': y}, 'outputs': {'mean': b3, 'log_var': b3}},
        'decode': {'inputs': {'z': b3, 'y': y}, 'outputs': b28},
    }
    assert (facts['latent_dim'], facts['num_classes'], facts['image_shape']) == (3, 2, [28, 28, 1])
    assert facts['recipe'] == facts['config']['recipe'] == 'vae'
    assert facts['step'] == 7
    assert facts['data'] == {'name': 'digits.npz', 'fingerprint': '0123456789abcdef'}
    assert {p.name for p in folder.iterdir()} == {*facts['files'], 'model.json', 'README.md'}
    for name, mark in facts['files'].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == mark
    card = (folder / 'README.md').read_text()
    front = card.split('---\n')[1]
    assert front.startswith('license: "unknown"\nlibrary_name: genjax\npipeline_tag: other\n')
    assert '- class-conditional-image-generation\n' in front
    assert f"by `pip install 'jax>={OLDEST_JAX}' flatbuffers safetensors`" in card
    plain = (exports('conv_vae')[1] / 'README.md').read_text()
    assert 'pipeline_tag: unconditional-image-generation\n' in plain
    assert 'class-conditional' not in plain
    assert 'digits.npz' in card
    assert config_hash(run.config) in card
    for path in folder.iterdir():
        for place in (b'someone', b'.py', bytes(Path(genjax.__file__).parent)):
            assert place not in path.read_bytes(), f'{path.name} tells where something lay'


def test_the_command_exports_what_was_trained(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / 'noise.npz', x=rng.integers(0, 256, (40, 28, 28, 1), np.uint8))
    run, out = tmp_path / 'run', tmp_path / 'models' / 'out'
    words = ['--data', str(tmp_path / 'noise.npz'), '--run', str(run), '--steps', '4']
    words += ['--hidden', '4', '--latent-dim', '2', '--batch-size', '4', '--dispatch', '2']
    assert main(['train', 'vae', *words]) == 0
    capsys.readouterr()
    words = ['--step', '4', '--platforms', 'cpu', 'tpu', '--licence', 'CC-BY-4.0']
    assert main(['export', str(run), '--out', str(out), *words]) == 0
    assert capsys.readouterr().out == f'{out}\n'
    loaded, exported = load(run), load_exported(out)
    key = jax.random.key(3)
    expected = loaded.model.sample(loaded.state, key, 5)
    np.testing.assert_allclose(exported.sample(key, 5), expected, atol=1e-5)
    facts = exported.facts
    assert (facts['step'], facts['platforms'], facts['licence']) == (4, ['cpu', 'tpu'], 'CC-BY-4.0')
    records = [json.loads(line) for line in (run / 'metrics.jsonl').read_text().splitlines()]
    last = records[-1]
    assert facts['held_out'] == {k: v for k, v in last.items() if k == 'step' or 'heldout/' in k}
    card = (out / 'README.md').read_text()
    assert 'license: "CC-BY-4.0"' in card
    assert str(last['heldout/elbo']) in card
    assert main(['export', str(run), '--out', str(out)]) == 2
    assert f'expected {out} to be empty or not there' in capsys.readouterr().err


FILES = ['README.md', 'decode.stablehlo', 'encode.stablehlo', 'model.json', 'weights.safetensors']


@pytest.fixture
def copied(exports, tmp_path):
    _, folder = exports('vae')
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def same_facts(damaged, whole):
    """Whether two files are the same JSON: only blanks differ."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(damaged) == json.loads(whole)


@pytest.mark.parametrize('name', FILES[1:])
def test_a_damaged_folder_is_refused(copied, name):
    path, rng = copied / name, np.random.default_rng(0)
    whole = path.read_bytes()
    damaged = [b'', whole[:-1], whole[: len(whole) // 2], whole + b'\n{}', b'[' * 100_000]
    for place in rng.integers(len(whole), size=40):
        one = bytearray(whole)
        one[place] ^= 1 << rng.integers(8)
        damaged.append(bytes(one))
    for data in damaged:
        path.write_bytes(data)
        if same_facts(data, whole):
            continue
        with pytest.raises(RunError, match='expected'):
            load_exported(copied)
    path.unlink()
    with pytest.raises(RunError, match=re.escape(name)):
        load_exported(copied)


def forged(facts, **changes):
    facts = {**facts, **changes}
    return json.dumps({**facts, 'sha256': exporting.digest(facts)})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'format': 'genjax export 2'}, "expected the format 'genjax export 1', got"),
        ({'files': {'../secret': 'x'}}, 'secret: expected a file of an exported model'),
        ({'files': {}}, 'expected an exported model, got KeyError'),
        ({'files': 3}, 'expected an exported model, got AttributeError'),
        ({'latent_dim': None, 'image_shape': None}, 'expected an exported model, got TypeError'),
    ],
)
def test_forged_facts_are_refused(copied, changes, message):
    (copied.parent / 'secret').write_bytes(b'x')
    facts = json.loads((copied / 'model.json').read_text())
    (copied / 'model.json').write_text(forged(facts, **changes))
    with pytest.raises(RunError, match=message):
        load_exported(copied)


def test_files_that_only_look_right_are_refused(copied):
    facts = json.loads((copied / 'model.json').read_text())
    for name in ('decode.stablehlo', 'weights.safetensors'):
        kept = (copied / name).read_bytes()
        (copied / name).write_bytes(b'no such thing')
        mark = hashlib.sha256(b'no such thing').hexdigest()
        (copied / 'model.json').write_text(forged(facts, files={**facts['files'], name: mark}))
        with pytest.raises(RunError, match='expected an exported model'):
            load_exported(copied)
        (copied / name).write_bytes(kept)


def test_what_is_no_exported_model_is_refused(tmp_path):
    with pytest.raises(RunError, match=r'got no model\.json there'):
        load_exported(tmp_path / 'none')
    (tmp_path / 'model.json').write_text('{"format": 3}')
    with pytest.raises(RunError, match="expected the format 'genjax export 1', got 3"):
        load_exported(tmp_path)


def test_inputs_are_checked_as_the_model_checks_them(exports):
    exported = load_exported(exports('vae')[1])
    x, y, z = np.zeros((2, *SHAPE), np.uint8), np.zeros(2, int), np.zeros((2, 3))
    with pytest.raises(ValueError, match=r'expected latents z \[n, 3\], got \(2, 4\)'):
        exported.decode(np.zeros((2, 4)), y)
    with pytest.raises(ValueError, match=r'expected labels y \[2\] of 2 classes, got none'):
        exported.decode(z)
    with pytest.raises(ValueError, match=r'expected integer labels y \[2\], got int64 \(3,\)'):
        exported.encode(x, np.zeros(3, int))
    with pytest.raises(ValueError, match=r'expected images \[b, 28, 28, 1\], got \(2, 28, 28, 3\)'):
        exported.encode(np.zeros((2, 28, 28, 3), np.uint8), y)


@pytest.mark.parametrize('there', [False, True])
def test_a_folder_is_written_whole_or_not_at_all(exports, tmp_path, monkeypatch, there):
    run, whole = exports('vae')
    out = tmp_path / 'out'
    if there:
        out.mkdir()

    def full(facts):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(exporting, 'card', full)
        with pytest.raises(RunError, match=r'a folder to write to, got .*No space left'):
            export(run, out)
    assert [p.name for p in tmp_path.iterdir()] == ['out'] * there
    assert not there or not list(out.iterdir())
    export(run, out)
    assert [p.name for p in tmp_path.iterdir()] == ['out']
    for path in whole.glob('*.stablehlo'):
        assert path.read_bytes() == (out / path.name).read_bytes()


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(exports, tmp_path):
    run, _ = exports('vae')
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(RunError, match='to be empty or not there'):
        export(run, tmp_path / 'file')
    with pytest.raises(RunError, match='expected platforms among'):
        export(run, tmp_path / 'out', platforms=['cpu', 'gpu'])
    with pytest.raises(RunError, match='expected a GAN or a VAE to export, got a tuple'):
        export(run._replace(model=()), tmp_path / 'out')
    diverged = run.state.replace(nets=jax.tree.map(lambda x: x * jnp.nan, run.state.nets))
    with pytest.raises(RunError, match='the model has diverged'):
        export(run._replace(state=diverged), tmp_path / 'out', platforms=['cpu'])
    wide = lambda state, key, n: run.model.decode(state, 9 * jnp.ones((n, 3)), jnp.zeros(n, int))  # noqa: E731
    with pytest.raises(RunError, match=r'or its prior is not N\(0, I\)'):
        export(run._replace(model=run.model._replace(sample=wide)), tmp_path / 'out')
    assert [p.name for p in tmp_path.iterdir()] == ['file']
    assert (tmp_path / 'file').read_text() == 'mine'
