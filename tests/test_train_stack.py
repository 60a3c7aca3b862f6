"""What a run was computed by is on record, and another stack is told."""

import json

import jax
import numpy as np

from genjax.train import load, train
from genjax.train.stack import changed, stack

DATA = np.uint8(np.random.default_rng(0).integers(0, 255, (40, 4, 4, 1)))


def run(folder, steps):
    options = {'hidden': (4,), 'latent_dim': 2, 'dispatch': 1, 'batch_size': 4}
    return train('vae', DATA, run=folder, steps=steps, **options)


def test_a_run_records_what_it_was_computed_by(tmp_path, capsys, monkeypatch):
    first = run(tmp_path, 1).config
    (now,) = first['stacks']
    assert now == stack() == load(tmp_path).config['stacks'][0]
    assert now['jax'] == jax.__version__
    assert run(tmp_path, 2).config == first
    assert 'stack' not in capsys.readouterr().err

    other = {**now, 'jax': '0.9.9', 'processor': ['avx', 'sve']}
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**config, 'stacks': [other]}))
    assert run(tmp_path, 3).config['stacks'] == [other, now]
    told = capsys.readouterr().err
    assert 'genjax: the run goes on under another stack, and will differ in the last digits' in told
    assert f'jax 0.9.9 -> {now["jax"]}, processor avx sve -> ' in told
    assert run(tmp_path, 3).config['stacks'] == [other, now]


def test_a_run_of_an_unknown_stack_goes_on_in_silence():
    assert changed([], stack()) == ''
    assert changed([{}, stack()], stack()) == ''
