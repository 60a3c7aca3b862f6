"""Run folders with something wrong in them, each with the message of the `RunError`.

In a message, `...` stands for anything, HERE for an empty folder and RUN for the run's.
"""

import json
import shutil


def write(name, content):
    """Has a file with this content in the place of whatever is there."""

    def damage(run):
        remove(name)(run)
        (run / name).write_bytes(content)

    return damage


def remove(name):
    def damage(run):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    return damage


def folder(name):
    """Has an empty folder in the place of whatever is there."""

    def damage(run):
        remove(name)(run)
        (run / name).mkdir()

    return damage


def config(**changes):
    def damage(run):
        path = run / 'config.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def full(name):
    """A disk that is full as soon as something is written there."""
    return lambda run: (run / name).symlink_to('/dev/full')


def halved(run):
    for path in (run / 'checkpoints' / '2' / 'default').rglob('*'):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


NO_CONFIG = 'RUN/config.json: expected the config of a run, got '
UNREADABLE = 'checkpoint 2 cannot be read; remove it to go on from 1: '
# Neither loaded nor gone on with.
DAMAGE = {
    'an empty config': (write('config.json', b''), NO_CONFIG + 'JSONDecodeError(...)'),
    'a cut config': (write('config.json', b'{"recipe": "vae"'), NO_CONFIG + 'JSONDecodeError(...)'),
    'a config of bytes': (write('config.json', b'\xff'), NO_CONFIG + 'UnicodeDecodeError(...)'),
    'a list for a config': (write('config.json', b'[]'), NO_CONFIG + 'TypeError(...)'),
    'a number for a config': (write('config.json', b'3'), NO_CONFIG + 'TypeError(...)'),
    'half a config': (
        write('config.json', b'{"recipe": "vae"}'),
        NO_CONFIG + "KeyError('options')",
    ),
    'a shape of two': (config(image_shape=[4, 4]), NO_CONFIG + "others in ['image_shape']"),
    'options of a list': (config(options=[]), NO_CONFIG + "others in ['options']"),
    'a source of a number': (
        config(source=3, recipe=None),
        NO_CONFIG + "others in ['recipe', 'source']",
    ),
    'a misspelt option': (
        config(options={'hiden': [2]}),
        "vae has no option 'hiden'; did you mean 'hidden'?",
    ),
    'code for a part': (
        config(options={'likelihood': 'os.system'}),
        "likelihood: unknown name 'os.system'; known: bernoulli, ...",
    ),
    'a number for parts': (config(options={'augment': 5}), "augment: 'int' object is not iterable"),
    'cut arrays': (halved, UNREADABLE + '...'),
    'no arrays': (remove('checkpoints/2/default'), UNREADABLE + '...'),
    'damaged names of arrays': (write('checkpoints/2/default/_METADATA', b'{'), UNREADABLE + '...'),
    'no names of arrays': (
        remove('checkpoints/2/default/_METADATA'),
        UNREADABLE + 'the names of its arrays are not there',
    ),
    'an empty checkpoint': (
        folder('checkpoints/7'),
        'checkpoint 7 cannot be read; remove it to go on from 2: ...',
    ),
}

NOT_WRITTEN = 'RUN: expected a folder to write to, got '
FULL = NOT_WRITTEN + '[Errno 28] No space left on device'
# Not gone on with.
UNWRITABLE = {
    'a config that is a folder': (
        folder('config.json'),
        "RUN: expected an empty folder or a run, got ['checkpoints', 'config.json', ...]",
    ),
    'records that are a folder': (
        folder('metrics.jsonl'),
        NOT_WRITTEN + "[Errno 21] Is a directory: 'RUN/metrics.jsonl'",
    ),
    'curves that are a file': (
        write('tensorboard', b'mine'),
        NOT_WRITTEN + "[Errno 17] File exists: 'RUN/tensorboard'",
    ),
    'a picture that is a folder': (
        folder('samples/step_00000900.png'),
        NOT_WRITTEN + "[Errno 21] Is a directory: 'RUN/samples/step_00000900.png'",
    ),
    'a lock that is a folder': (
        folder('.lock'),
        NOT_WRITTEN + "[Errno 21] Is a directory: 'RUN/.lock'",
    ),
    'a disk that is full for the config': (full('.config.json'), FULL),
    'a disk that is full for the records': (full('metrics.tmp'), FULL),
}
# Of no account: a run goes on as if it were not there.
HARMLESS = {
    'a file among the checkpoints': write('checkpoints/notes.txt', b'mine'),
    'a folder among the checkpoints': folder('checkpoints/notes'),
    'a number among the checkpoints': write('checkpoints/7', b'mine'),
    'a cut record': write('metrics.jsonl', b'{"step": 1, "loss": 1.0}\n{"step"'),
    'records of bytes': write('metrics.jsonl', b'\xff\n'),
    'records of text': write('metrics.jsonl', b'{"step": 1, "loss": "low"}\n'),
    'records of lists': write('metrics.jsonl', b'{"step": 1, "loss": [1]}\n'),
    'records of records': write('metrics.jsonl', b'[' * 100_000 + b'\n'),
    'a huge record': write('metrics.jsonl', b'{"step": 1, "loss": 1' + b'0' * 999 + b'}\n'),
    'a record of no step': write('metrics.jsonl', b'{"loss": 1.0}\n{"step": 1.5}\n3\nnull\n'),
}
