"""Commands that cannot be done, each with what it says after `genjax: `.

In a message, `...` stands for anything, HERE for an empty folder and RUN for the run's; FULL.npz
lies on a full disk, and FOLDER.png is a folder.
"""

from tests.bad_inputs.uses import KNOWN, NO_RUN


def train_words(*words):
    return ['train', 'vae', '--data', 'digits', '--run', 'RUN', '--steps', '3', *words]


# Words of the command line, and what stands after `genjax: `; no file is made.
COMMANDS = {
    'no run': (['sample', 'HERE', '--out', 'x.png'], NO_RUN),
    'a JPEG': (
        ['sample', 'RUN', '--out', 'x.jpg'],
        'expected a file that ends in .png or .npz, got x.jpg',
    ),
    'a picture below a file': (
        ['sample', 'RUN', '--out', 'RUN/config.json/x.png'],
        "[Errno 17] File exists: 'RUN/config.json'",
    ),
    'a picture onto a folder': (
        ['sample', 'RUN', '--out', 'FOLDER.png'],
        '[Errno 21] Is a directory: ...',
    ),
    'a full disk': (['sample', 'RUN', '--out', 'FULL.npz'], '[Errno 28] No space left on device'),
    'a class of none': (
        ['sample', 'RUN', '--y', '1', '--out', 'x.png'],
        'expected a class of a model without classes, got 1',
    ),
    'no samples': (
        ['sample', 'RUN', '--n', '0', '--out', 'x.png'],
        'expected n to be an integer >= 1, got 0',
    ),
    'a word for a step': (
        ['sample', 'RUN', '--step', 'first', '--out', 'x.png'],
        KNOWN + "'first'",
    ),
    'no such step': (['sample', 'RUN', '--step', '3', '--out', 'x.png'], KNOWN + '3'),
    'a negative seed': (
        ['sample', 'RUN', '--seed', '-1', '--out', 'x.png'],
        'expected seed to be an integer >= 0, got -1',
    ),
    'one column': (
        ['interpolate', 'RUN', '--columns', '1', '--out', 'x.png'],
        'expected columns to be an integer >= 2, got 1',
    ),
    'no data': (
        ['reconstruct', 'RUN', '--out', 'x.png'],
        'RUN: expected the data of the run, got none: say --data where they are',
    ),
    'data that are gone': (
        ['reconstruct', 'RUN', '--data', 'nowhere.npz', '--out', 'x.png'],
        "expected 'digits', ...; got 'nowhere.npz', which does not exist",
    ),
    'other data': (
        ['evaluate', 'RUN', '--data', 'digits'],
        'RUN: expected the data of the run, got others in digits: say --data where they are if '
        'they have moved',
    ),
    'codes as a picture': (
        ['encode', 'RUN', '--data', 'digits', '--out', 'x.png'],
        'expected a file that ends in .npz, got x.png',
    ),
    'a sampler without its data': (
        ['sample', 'RUN', '--sampler', 'gmm', '--out', 'x.png'],
        'sampler gmm was never fitted: RUN: expected the data of the run, got none: say --data '
        'where they are',
    ),
    'a misspelt sampler': (
        ['sample', 'RUN', '--sampler', 'gnm', '--out', 'x.png'],
        "sampler: unknown name 'gnm'; did you mean 'gmm'?",
    ),
    'a mixture of nothing': (
        ['sample', 'RUN', '--sampler', 'gmm:components=0', '--out', 'x.png'],
        'sampler: expected components >= 1, got 0',
    ),
    'an export onto a run': (
        ['export', 'RUN', '--out', 'RUN'],
        'expected RUN to be empty or not there, got something in it',
    ),
    'misspelt data': (
        ['train', 'vae', '--data', 'dgits', '--run', 'RUN', '--steps', '3'],
        "expected 'digits', ...; got 'dgits', which does not exist (did you mean 'digits'?)",
    ),
    'another run': (
        train_words(),
        'RUN holds another run:\n  ...image_shape: the run has [4, 4, 1], the command says [...',
    ),
    'no such devices': (
        train_words('--devices', '99'),
        'expected at most ... devices, got devices=99',
    ),
    'one process of none': (
        train_words('--num-processes', '2'),
        'expected a coordinator, HOST:PORT, with num_processes and process_id',
    ),
    'a run below a file': (
        ['train', 'vae', '--data', 'digits', '--run', 'RUN/config.json/x', '--steps', '3'],
        'RUN/config.json/x: expected a folder to write to, got [Errno 20] Not a directory: ...',
    ),
    'an evaluation without its data': (
        ['evaluate', 'RUN'],
        'RUN: expected the data of the run, got none: say --data where they are',
    ),
    'an evaluation by no such weights': (
        ['evaluate', 'RUN', '--features', 'HERE/none.npz'],
        'features: HERE/none.npz: expected a file of weights, which is not there',
    ),
    'an evaluation by digits of other images': (
        ['evaluate', 'RUN', '--features', 'digits'],
        'RUN: expected the data of the run, got none: say --data where they are',
    ),
    'an unknown metric': (
        train_words('--metrics', 'recall', '--monitor', 'coverage'),
        "expected a monitor among metrics=('recall',), got 'coverage'",
    ),
    'nothing to inspect': (
        ['data', 'inspect', 'HERE'],
        'HERE: expected PNG, JPEG or WebP images, or MNIST idx files, got none in ...',
    ),
}
