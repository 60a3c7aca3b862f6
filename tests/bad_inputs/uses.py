"""Runs and exports put to a wrong use, each with the message of its `RunError`.

In a message, `...` stands for anything, HERE for an empty folder and RUN for the run's.
"""

import errno
import hashlib
import json
import shutil

import jax
import numpy as np
import pytest
from filelock import FileLock, SoftFileLock

from genjax import data, export, gan, load, load_exported
from genjax.evaluation import sampling
from genjax.exports.writer import digest
from genjax.train import held_out
from tests.bad_inputs.place import DATA, go_on


def locked(at):
    with FileLock(at.run / '.lock'):
        go_on(at)


def without_flock(at):
    with pytest.MonkeyPatch.context() as patch, SoftFileLock(at.run / '.lock.held'):
        patch.setattr('fcntl.flock', no_flock)
        go_on(at)


def no_flock(file, how):
    raise OSError(errno.ENOLCK, 'No locks available')


def something_else(at):
    (at.here / 'thesis.tex').write_text('x')
    go_on(at, run=at.here)


def exported(at, **options):
    return export(load(at.run), at.here / 'model', platforms=('cpu',), **options)


def damaged_export(name, content=None):
    def act(at):
        path = exported(at) / name
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        load_exported(path.parent)

    return act


def of_another_jax(at):
    path = exported(at) / 'decode.stablehlo'
    path.write_bytes(path.read_bytes().replace(b'custom_call_v1', b'custom_call_v9'))
    facts = json.loads((path.parent / 'model.json').read_text()) | {'jax': '9.9.9'}
    facts['files'][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    facts['sha256'] = digest(facts)
    (path.parent / 'model.json').write_text(json.dumps(facts))
    load_exported(path.parent)


def onto_a_file(at):
    (at.here / 'model').write_text('mine')
    exported(at)


def below_a_file(at):
    (at.here / 'file').write_text('mine')
    export(load(at.run), at.here / 'file' / 'model', platforms=('cpu',))


def on_a_full_disk(at):
    (at.here / '.model.partial').symlink_to('/dev/full')
    exported(at)


def copied(at):
    return shutil.copytree(at.run, at.here / 'run')


def unranked(at):
    for metrics in copied(at).glob('checkpoints/*/metrics/metrics'):
        metrics.write_text('{"monitor": null}')
    load(at.here / 'run', 'best')


def changed_later(at):
    run = copied(at)
    go_on(at, run=run, steps=2, beta=2.0, change=True)
    shutil.rmtree(run / 'checkpoints' / '2')
    go_on(at, run=run, beta=2.0)


def without_arrays(at):
    for file in (copied(at) / 'checkpoints' / '2' / 'default').rglob('d/*'):
        file.unlink()
    load(at.here / 'run')


def moved(at):
    file = at.here / 'data.npz'
    np.savez(file, x=DATA.x)
    go_on(at, run=at.here / 'run', steps=1, data=file)
    file.unlink()
    held_out(load(at.here / 'run'))


def diverged(at):
    run = load(at.run)
    nets = jax.tree.map(lambda leaf: leaf * np.nan, run.state.nets)
    sampling.samples(run._replace(state=run.state.replace(nets=nets)), 4)


KNOWN = "RUN: expected a checkpoint among ['latest', 'best', 1, 2], got "
NO_RUN = 'expected a run in HERE, got a folder without config.json, or none'
USES = {
    'a run that is in use': (locked, 'RUN is in use by another process'),
    'a run that is in use, on a file system without flock': (
        without_flock,
        'RUN is in use by another process; where there is none, one that was killed left '
        'RUN/.lock.held: remove it',
    ),
    'a folder of something else': (
        something_else,
        "HERE: expected an empty folder or a run, got ['thesis.tex']",
    ),
    'no run': (lambda at: load(at.here), NO_RUN),
    'a file for a run': (
        lambda at: load(at.run / 'config.json'),
        'expected a run in RUN/config.json, got a folder without config.json, or none',
    ),
    'no folder': (lambda at: load(None), 'expected a folder, got None: ...'),
    'no such step': (lambda at: load(at.run, 3), KNOWN + '3'),
    'a negative step': (lambda at: load(at.run, -1), KNOWN + '-1'),
    'a word for a step': (lambda at: load(at.run, 'first'), KNOWN + "'first'"),
    'no step': (lambda at: load(at.run, None), KNOWN + 'None'),
    'an unknown recipe': (
        lambda at: load(at.run, recipe='vea'),
        "unknown recipe 'vea'; did you mean 'vae'?",
    ),
    'another recipe': (
        lambda at: load(at.run, recipe=gan.dcgan),
        "dcgan has no option 'likelihood'; ...",
    ),
    'best of what is not ranked': (
        unranked,
        'HERE/run: expected a checkpoint that is ranked, got none: a GAN ranks those that it makes '
        'with --metrics NAME --monitor NAME, a VAE those after its warm-up; there are [1, 2]',
    ),
    'a start from nowhere': (
        lambda at: go_on(at, run=at.here / 'new', start_from=f'{at.here}/nowhere:3'),
        'expected a run with checkpoints to start from in HERE/nowhere, got none: say --from with '
        'a folder that has a config.json, or FOLDER:STEP',
    ),
    'a start from no checkpoint': (
        lambda at: go_on(at, run=at.here / 'new', start_from=f'{at.run}:3'),
        KNOWN + '3',
    ),
    'a start from another family': (
        lambda at: go_on(at, 'gan', run=at.here / 'new', start_from=at.run, networks='mlp'),
        'expected a run to start from that has arrays of the same names and shapes, got none in '
        'RUN:latest: take one of the same family, with such networks',
    ),
    'a run that was changed at a step that is gone': (
        changed_later,
        'expected a checkpoint of step 2 or later, where the run was changed, got 1: start another '
        'run from that with --from FOLDER:1',
    ),
    'a file of arrays that is gone': (
        without_arrays,
        'checkpoint 2 cannot be read; remove it to go on from 1: ...HERE/run/checkpoints/2/...',
    ),
    'data that have moved': (
        moved,
        'HERE/run: expected the data of the run where they were: say --data where they are if they '
        "have moved; expected 'digits', ...; got 'HERE/data.npz', which does not exist",
    ),
    'no data': (
        lambda at: held_out(load(at.run)),
        'RUN: expected the data of the run, got none: say --data where they are',
    ),
    'data that are gone': (
        lambda at: held_out(load(at.run), data.from_arrays(DATA.x[1:])),
        'RUN: expected the data of the run, got others in ...: say --data where they are if they '
        'have moved',
    ),
    'no samples': (
        lambda at: sampling.samples(load(at.run), 0),
        'expected n to be an integer >= 1, got 0',
    ),
    'a long seed': (
        lambda at: sampling.samples(load(at.run), 1, 2**32),
        'expected a seed below 2^32, got 4294967296',
    ),
    'a class of none': (
        lambda at: sampling.samples(load(at.run), 1, y=1),
        'expected a class of a model without classes, got 1',
    ),
    'no rows': (
        lambda at: sampling.interpolations(load(at.run), 0, 9),
        'expected rows to be an integer >= 1, got 0',
    ),
    'half a column': (
        lambda at: sampling.interpolations(load(at.run), 1, 2.5),
        'expected columns to be an integer >= 2, got 2.5',
    ),
    'a model that has diverged': (
        diverged,
        'expected finite images, got NaN or infinity: the model has diverged',
    ),
    'an export onto a file': (
        onto_a_file,
        'expected HERE/model to be empty or not there, got something in it',
    ),
    'an export into the run': (
        lambda at: export(load(at.run), at.run),
        'expected RUN to be empty or not there, got something in it',
    ),
    'an export below a file': (
        below_a_file,
        'HERE/file/model: expected a folder to write to, got [Errno 20] Not a directory: ...',
    ),
    'an export into the home of nobody': (
        lambda at: export(load(at.run), '~no such user/model'),
        "expected a folder, got '~no such user/model': Could not determine home directory.",
    ),
    'an exported model of nobody': (
        lambda at: load_exported('~no such user/model'),
        "expected a folder, got '~no such user/model': Could not determine home directory.",
    ),
    'an export for no platform': (
        lambda at: export(load(at.run), at.here / 'model', platforms=()),
        "expected platforms among ('cpu', 'cuda', 'rocm', 'tpu'), got ()",
    ),
    'no exported model': (
        lambda at: load_exported(at.here),
        'expected an exported model in HERE, got no model.json there',
    ),
    'a run for an exported model': (
        lambda at: load_exported(at.run),
        'expected an exported model in RUN, got no model.json there',
    ),
    'an exported model without weights': (
        damaged_export('weights.safetensors'),
        'HERE/model/weights.safetensors: expected a file of an exported model, got none',
    ),
    'an exported model with others': (
        damaged_export('weights.safetensors', b'other'),
        'HERE/model/weights.safetensors: expected the file with SHA-256 ..., got ...',
    ),
    'an exported model of another JAX': (
        of_another_jax,
        'HERE/model/decode.stablehlo: expected a program that jax ... reads, got one of jax 9.9.9: '
        'install jax==9.9.9, or export the run again by this version',
    ),
    'an exported model of other facts': (
        damaged_export('model.json', b'{"format": 3}'),
        "HERE/model/model.json: expected the format 'genjax export 1', got 3",
    ),
}
