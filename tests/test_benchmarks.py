"""The benchmarks: that contenders do the same work, and that the harness times them."""

import importlib
import inspect
import json
import subprocess
import sys
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import genjax
from experiments.benchmarks import flops, jax_flax, jax_gan, jax_vae, report, starts, worker
from experiments.benchmarks.harness import Result, compete, has_torch, workers
from experiments.benchmarks.suite import SUITE, benchmarks
from experiments.benchmarks.task import Benchmark, Contender
from genjax.random import step_key, stream

SIZE, WIDTH, BATCH = 32, 4, 8


def conv(kernel):
    """A kernel of Flax as PyTorch's `Conv2d` has it."""
    return np.transpose(kernel, (3, 2, 0, 1))


def transposed(kernel):
    """A kernel of Flax as PyTorch's `ConvTranspose2d` has it: that one is the adjoint."""
    return np.transpose(np.flip(kernel, (0, 1)), (2, 3, 0, 1))


def ordered(params, *kinds):
    """The layers of some kinds in the order in which they were made."""
    return [params[f'{kind}_{i}'] for kind in kinds for i in range(len(params))
            if f'{kind}_{i}' in params]  # fmt: skip


def put(torch, parameter, array):
    """Puts an array of its shape into a parameter."""
    assert tuple(parameter.shape) == array.shape
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.array(array)))


def copied(torch, module, arrays):
    """Puts arrays into the parameters of a module, in their order."""
    parameters = list(module.parameters())
    assert [p.shape for p in parameters] == [a.shape for a in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        put(torch, parameter, array)


def generator_arrays(params):
    """A generator's parameters in the order of PyTorch's."""
    norms = [(norm['scale'], norm['bias']) for norm in ordered(params, 'BatchNorm')]
    convs = ordered(params, 'ConvTranspose')
    dense = params['Dense_0']['kernel']
    first = dense.reshape(len(dense), 4, 4, -1).transpose(0, 3, 1, 2)
    kernels = [first, *(transposed(c['kernel']) for c in convs)]
    pairs = zip(kernels, [*norms, (convs[-1]['bias'],)], strict=True)
    return [array for kernel, rest in pairs for array in (kernel, *rest)]


def discriminator_arrays(params):
    """A discriminator's parameters in the order of PyTorch's."""
    convs, last = ordered(params, 'Conv'), params['Dense_0']
    rest = [(convs[0]['bias'],)]
    rest += [(norm['scale'], norm['bias']) for norm in ordered(params, 'BatchNorm')]
    pairs = zip((conv(c['kernel']) for c in convs), rest, strict=True)
    dense = last['kernel'].reshape(4, 4, -1, 1)
    arrays = [array for kernel, more in pairs for array in (kernel, *more)]
    return [*arrays, conv(dense), last['bias']]


@pytest.mark.parametrize('tuning', [{}, {'channels_last': True, 'fused': True}], ids=str)
def test_a_step_of_dcgan_is_that_of_pytorch(tuning):
    """Losses of four steps from the same weights, on the same images and noise."""
    torch = pytest.importorskip('torch')
    from experiments.benchmarks import torch_gan
    from experiments.benchmarks.torch_common import Tuning

    gan, key = jax_gan.model(SIZE, WIDTH), jax.random.key(3)
    state = gan.init(key)
    nets = torch_gan.generator(SIZE, WIDTH), torch_gan.discriminator(SIZE, WIDTH)
    copied(torch, nets[0], generator_arrays(state.nets['generator'].params))
    copied(torch, nets[1], discriminator_arrays(state.nets['discriminator'].params))
    step = torch_gan.Step(nets, Tuning(**tuning))
    rng = np.random.default_rng(0)
    for i in range(4):
        x = rng.uniform(-1, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
        z = np.array(jax.random.normal(stream(step_key(key, i), 'z'), (BATCH, 100)))
        state, metrics = gan.train_step(state, {'x': x})
        ours = [metrics[f'{name}/loss'] for name in ('discriminator', 'generator')]
        real = step.tuning.images(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        theirs = step(real, torch.from_numpy(z)[:, :, None, None])
        np.testing.assert_allclose(ours, [loss.item() for loss in theirs], rtol=2e-4)


def pairs(layers, change):
    """Kernels, changed, and biases."""
    return [array for layer in layers for array in (change(layer['kernel']), layer['bias'])]


def vae_arrays(nets, kind):
    """A VAE's parameters in the order of PyTorch's, whose maps are flattened channels first."""
    encoder, decoder = nets['encoder'].params, nets['decoder'].params
    heads = pairs([encoder['mean'], encoder['log_var']], np.transpose)
    if kind == 'dense':
        layers = ordered(encoder['_Hidden_0'], 'Dense') + ordered(decoder['_Hidden_0'], 'Dense')
        return pairs([*layers, *ordered(decoder, 'Dense')], np.transpose) + heads
    first, (small, large) = encoder['Dense_0'], ordered(decoder, 'Dense')
    hidden = first['kernel'].reshape(7, 7, -1, first['kernel'].shape[1])
    first = {'kernel': hidden.transpose(2, 0, 1, 3).reshape(first['kernel'].shape)} | {
        'bias': first['bias']
    }
    large = {
        name: leaf.reshape(*leaf.shape[:-1], 49, -1).swapaxes(-1, -2).reshape(leaf.shape)
        for name, leaf in large.items()
    }
    return [
        *pairs(ordered(encoder, 'Conv'), conv),
        *pairs([first, small, large], np.transpose),
        *pairs(ordered(decoder, 'ConvTranspose'), transposed),
        *heads,
    ]


@pytest.mark.parametrize('tuning', [{}, {'fused': True}], ids=str)
@pytest.mark.parametrize('kind', ['dense', 'convolutional'])
def test_a_step_of_a_vae_is_that_of_pytorch(kind, tuning):
    """Losses of four steps from the same weights, on the same images and noise."""
    torch = pytest.importorskip('torch')
    from experiments.benchmarks import torch_common, torch_vae

    sizes = {'latent_dim': 5} | ({'width': 4} if kind == 'convolutional' else {})
    vae = jax_vae.model(kind, **sizes)
    state = vae.init(jax.random.key(0))
    net = getattr(torch_vae, kind)(**sizes)
    copied(torch, net, vae_arrays(state.nets, kind))
    step = torch_vae.Step(net, torch_common.Tuning(**tuning))
    rng = np.random.default_rng(0)
    e = rng.standard_normal((BATCH, 5), np.float32)
    with (
        mock.patch('jax.random.normal', lambda key, shape, *dtype: jnp.reshape(e, shape)),
        mock.patch('torch.randn_like', return_value=torch.from_numpy(e)),
    ):
        for _ in range(4):
            x = rng.integers(0, 256, (BATCH, 28, 28, 1), np.uint8)
            state, metrics = vae.train_step(state, {'x': x})
            pixels = torch.from_numpy(x.transpose(0, 3, 1, 2) / np.float32(255))
            theirs = step(pixels).item() / BATCH
            np.testing.assert_allclose(metrics['vae/loss'], theirs, rtol=2e-5)


def test_a_step_of_the_example_of_flax_is_ours():
    """Its loss is minus our bound, of the same outputs."""
    key = jax.random.key(0)
    logits, mean, log_var = (
        jax.random.normal(stream(key, name), (BATCH, n))
        for name, n in (('logits', 784), ('mean', 20), ('log_var', 20))
    )
    x = jax.random.uniform(stream(key, 'x'), (BATCH, 784))
    pixels = genjax.vae.grey_bernoulli().distribution(logits.reshape(BATCH, 28, 28, 1))
    posterior = genjax.latents.distributions.Normal(mean, log_var)
    prior = genjax.latents.distributions.standard_normal(20)
    nats = pixels.log_prob(2 * x.reshape(BATCH, 28, 28, 1) - 1)
    bound = jnp.mean(nats - jnp.sum(posterior.kl_divergence(prior), axis=1))
    np.testing.assert_allclose(jax_flax.example_loss(logits, x, mean, log_var), -bound, rtol=1e-5)


@pytest.mark.parametrize('kind', ['gan', 'vae'])
def test_flax_convolutions_compute_the_same(kind):
    """A swapped network has the parameters and losses of ours, and the swap is undone."""
    build = {'gan': lambda flax: jax_gan.steps(SIZE, WIDTH, BATCH, times=1, flax=flax),
             'vae': lambda flax: jax_vae.steps('convolutional', BATCH, 1, flax=flax,
                                               sizes={'width': 4})}[kind]  # fmt: skip
    module = {'gan': genjax.nn.dcgan, 'vae': genjax.nn.convnet}[kind]
    before = module.Conv
    ours, flax = build(False), build(True)
    assert module.Conv is before
    assert ours.facts['parameters'] == flax.facts['parameters']
    assert ours.facts['compiled_flops'] != flax.facts['compiled_flops']


def test_nominal_flops_of_the_step_agree_with_those_counted_in_flax_convolutions():
    """XLA counts a direct convolution without the products by padding: at most 15% fewer."""
    task = jax_gan.steps(SIZE, 8, BATCH, times=1, flax=True, scanned=False)
    assert 0.8 < task.facts['compiled_flops'] / task.facts['nominal_flops'] < 1.15


def test_the_allocator_is_set_as_genjax_sets_it():
    assert dict(genjax.machine._MALLOPT.values()) == worker.MALLOPT


def test_contenders_take_turns():
    """Two builds in one worker; what fails is told and does not stop the others."""
    options = {'kind': 'conv', 'size': 8, 'c': 2, 'features': 3, 'batch': 2, 'times': 1}
    benchmark = Benchmark(
        'layer',
        'A small layer.',
        'layer',
        (
            Contender('ours', 'jax_layers:layer', options, ours=True, alone=True),
            Contender('XLA', 'jax_layers:layer', options | {'native': True}, rounds=1),
            Contender('broken', 'jax_layers:layer', options | {'size': 'eight'}),
        ),
        rounds=2,
    )
    with workers() as get:
        results = compete(benchmark, get)
    assert [len(result.seconds) for result in results] == [2, 1, 0]
    assert results[0].facts['nominal_flops'] == 3 * 2 * 2 * 16 * 16 * 2 * 3
    assert results[0].facts['peak_rss'] > 2**26
    assert 'Error' in results[2].error
    text = report.table(benchmark, results, {False: 1e9})
    assert '| **ours** |' in text
    assert 'left out: ' in text
    json.dumps(report.record(benchmark, results))


def test_ratios_are_medians_of_rounds():
    ours = Result(Contender('ours', 'jax', {}, ours=True), [1.0, 2.0, 4.0], {})
    theirs = Result(Contender('theirs', 'torch', {}), [2.0, 2.0, 12.0], {})
    assert report.ratio(theirs, ours) == 2.0
    benchmark = Benchmark('b', 'A title.', 'step', (ours.contender, theirs.contender))
    assert 'ours is 2.00 times as fast as theirs' in report.table(benchmark, [ours, theirs], {})


def test_every_target_is_there_and_takes_its_options():
    """Without running them; those of PyTorch only where it is."""
    for name in SUITE:
        for benchmark in benchmarks(name, 'images.npy'):
            assert any(contender.ours for contender in benchmark.contenders)
            assert len({contender.name for contender in benchmark.contenders}) == len(
                benchmark.contenders
            )
            for contender in benchmark.contenders:
                module, _, function = contender.target.partition(':')
                if contender.framework == 'torch' and not has_torch():
                    continue
                built = importlib.import_module(f'experiments.benchmarks.{module}')
                inspect.signature(getattr(built, function)).bind(**contender.options)


def test_an_epoch_sees_every_image(tmp_path):
    file = str(tmp_path / 'images.npy')
    np.save(file, np.arange(256).astype(np.uint8)[:, None, None] * np.ones((28, 28), np.uint8))
    images = genjax.data.from_arrays(np.load(file))
    pieces, each = jax_vae.spans(images.size, 32, epochs=2, limit=4)
    assert pieces == [(0, 4), (4, 4), (8, 4), (12, 4)]
    for epoch in pieces[:each], pieces[each:]:
        batches = [genjax.data.batches(images, 32, 0, *piece)['x'] for piece in epoch]
        assert sorted(np.ravel([x[..., 0, 0, 0] for x in batches])) == list(range(256))
    torch = pytest.importorskip('torch')
    from experiments.benchmarks import torch_vae

    for batches in (x for x, _ in torch_vae.loader(file, 32)), torch_vae.in_memory(file, 32)():
        seen = torch.cat([x[:, 0, 0, 0] for x in batches])
        assert sorted((seen * 255).round().int().tolist()) == list(range(256))


def test_the_tasks_that_read_data_run(tmp_path):
    file = str(tmp_path / 'images.npy')
    np.save(file, np.zeros((64, 28, 28), np.uint8))
    for task in (
        jax_vae.epoch(file, 32),
        jax_vae.reading(file, 32),
        jax_vae.reading(file, 32, streamed=True),
    ):
        for _ in range(2):  # What was donated is not used again.
            task.run()


def test_a_second_step_compiles_nothing():
    ((benchmark, results),) = starts.compilations(('vae',))
    assert [result.facts['compilations_after'] for result in results] == [0, 0]
    assert results[1].median < results[0].median
    assert 'vae, full cache' in report.table(benchmark, results, {})


def test_unknown_names_are_refused():
    command = [sys.executable, '-m', 'experiments.benchmarks', '--only', 'dcgan65']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert 'expected names among matmul' in done.stderr
    assert flops.gan_step(64) > flops.gan_step(32)
