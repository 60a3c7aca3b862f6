"""Options that a run refuses, each with the message of its `RunError`.

In a message, `...` stands for anything, HERE for an empty folder and RUN for the run's.
"""

from genjax import data, vae
from tests.bad_inputs.place import DATA

OTHER = 'RUN holds another run:\n  '
CHANGE = '\nsay --change to change that from here on'
FIXED = 'RUN: expected changes that leave the state as it is, got\n  '
ANEW = '; start another run from this one with --from RUN'
OPTIONS = {
    'another seed': ({'seed': 1}, OTHER + 'seed: the run has 0, the command says 1'),
    'another batch size': (
        {'batch_size': 8},
        OTHER + 'batch_size: the run has 4, the command says 8' + CHANGE,
    ),
    'another option': (
        {'beta': 2.0},
        OTHER + "options.beta: the run has '1.0', the command says '2.0'" + CHANGE,
    ),
    'another part': (
        {'bound': vae.bounds.iwae},
        OTHER + "options.bound: the run has 'elbo', the command says 'iwae'" + CHANGE,
    ),
    'other data': (
        {'data': data.from_arrays(DATA.x[::-1], DATA.y)},
        OTHER + "fingerprint: the run has '...', the command says '...'" + CHANGE,
    ),
    'another share': (
        {'held_out': 0.2},
        OTHER + 'held_out: the run has 0.1, the command says 0.2' + CHANGE,
    ),
    'another width': (
        {'latent_dim': 3},
        OTHER + 'options.latent_dim: the run has 2, the command says 3',
    ),
    'a change of the width': (
        {'latent_dim': 3, 'change': True},
        FIXED + 'options.latent_dim: the run has 2, the command says 3\nthe state would have other '
        "arrays: expected ... ((...), 'float32'), got ((...), 'float32')" + ANEW,
    ),
    'a change of the seed': (
        {'seed': 1, 'change': True},
        FIXED + 'seed: the run has 0, the command says 1\nseed cannot be changed' + ANEW,
    ),
    'a start that is another': (
        {'start_from': 'other'},
        OTHER + "from: the run has None, the command says '...other:latest'",
    ),
    'a negative period': (
        {'keep_every': -1},
        'expected keep_every to be an integer >= 0, got -1',
    ),
    'a misspelt recipe': ({'recipe': 'vea'}, "unknown recipe 'vea'; did you mean 'vae'?"),
    'a number for a recipe': ({'recipe': 3}, 'expected a recipe by name, or a function, got 3'),
    'a class for a recipe': (
        {'recipe': dict},
        "expected a recipe by name, or a function, got <class 'dict'>",
    ),
    'a misspelt option': ({'betta': 2.0}, "vae has no option 'betta'; did you mean 'beta'?"),
    'an option of any object': (
        {'latent_dim': object()},
        'latent_dim: Object of type object is not JSON serializable',
    ),
    'no number for sizes': ({'hidden': 4}, "vae: 'int' object is not iterable"),
    'half a latent': ({'latent_dim': 2.5}, 'vae: Shapes must be 1D sequences ...'),
    'no latent': ({'latent_dim': 0}, 'vae: expected latent_dim >= 1, got 0'),
    'a latent without end': (
        {'latent_dim': 10**12},
        'expected a model whose state fits into ... GB of memory, got ... GB',
    ),
    'an empty layer': ({'hidden': (0,)}, 'vae: expected size 0 of a layer >= 1, got 0'),
    'dropout above 1': ({'dropout': 1.5}, 'vae: expected dropout in [0, 1], got 1.5'),
    'dropout of NaN': (
        {'dropout': float('nan')},
        "networks: expected a literal for mlp:dropout, got 'nan'",
    ),
    'a negative rate': ({'learning_rate': -1.0}, 'vae: expected learning_rate >= 0, got -1.0'),
    'an infinite rate': (
        {'learning_rate': float('inf')},
        "learning_rate: expected a finite number, got 'inf'",
    ),
    'a rate of text': ({'learning_rate': 'cosine'}, "learning_rate: unknown name 'cosine'; ..."),
    'an average beyond 1': ({'ema_decay': 2.0}, 'vae: expected ema of encoder in [0, 1], got 2.0'),
    'no microbatches': ({'microbatches': 0}, 'vae: expected vae microbatches >= 1, got 0'),
    'microbatches that do not divide': (
        {'microbatches': 3},
        "a step of the recipe is refused: expected a multiple of 3 examples in batch['x'], got 4",
    ),
    'no samples': ({'k': 0}, 'vae: expected k >= 1, got 0'),
    'an unknown precision': (
        {'precision': 'float8'},
        "vae: expected a precision among ('auto', 'float32', 'bfloat16'), got 'float8'",
    ),
    'a misspelt part': (
        {'likelihood': 'bernouli'},
        "likelihood: unknown name 'bernouli'; did you mean 'bernoulli'?",
    ),
    'code for a part': (
        {'likelihood': "gaussian:scale=__import__('os')"},
        'likelihood: expected a literal for gaussian:scale, got "__import__(\'os\')"',
    ),
    'a number for a part': (
        {'likelihood': 3},
        'likelihood: expected one of bernoulli, ..., or a partial of one with keywords, got 3',
    ),
    'options of a bare part': (
        {'bound': 'elbo:beta=2'},
        "bound: elbo has no option 'beta'; known: free_bits",
    ),
    'no list of parts': ({'augment': None}, "augment: 'NoneType' object is not iterable"),
    'a part that cannot be': (
        {'augment': ['translate:ratio=-0.5']},
        'a step of the recipe is refused: ...',
    ),
    'no steps': ({'steps': 0}, 'expected steps to be an integer >= 1, got 0'),
    'steps of text': ({'steps': '3'}, "expected steps to be an integer >= 1, got '3'"),
    'countless steps': ({'steps': 10**12}, 'expected steps below 2^31, got 1000000000000'),
    'half a dispatch': ({'dispatch': 2.5}, 'expected dispatch to be an integer >= 1, got 2.5'),
    'no batch': ({'batch_size': 0}, 'expected batch_size to be an integer >= 1, got 0'),
    'negative patience': ({'patience': -1}, 'expected patience to be an integer >= 0, got -1'),
    'a negative seed': ({'seed': -1}, 'expected seed to be an integer >= 0, got -1'),
    'a long seed': ({'seed': 2**32}, 'expected a seed below 2^32, got 4294967296'),
    'no seed': ({'seed': None}, 'expected seed to be an integer >= 0, got None'),
    'more devices': ({'devices': 99}, 'expected at most ... devices, got devices=99'),
    'shards that do not divide': (
        {'devices': 1, 'shard_params': 3},
        'expected shard_params to divide the 1 devices, got shard_params=3',
    ),
    'labels beyond': (
        {'num_classes': 2},
        'expected labels below num_classes=2 in array (training), got labels up to 2',
    ),
    'no labels': (
        {'data': data.from_arrays(DATA.x), 'num_classes': 3},
        'expected labels below num_classes=3 in array (training), got none',
    ),
    'held-out labels beyond': (
        {'held_out': DATA._replace(y=DATA.y + 1), 'num_classes': 3},
        'expected held-out images of the classes of array, 0, 1, 2, got 3 in array',
    ),
    'held-out images of another shape': (
        {'held_out': {'x': DATA.x[:, :2], 'y': DATA.y}},
        'expected held-out images (4, 4, 1) like those of array, got (2, 4, 1) in array',
    ),
    'held-out images without labels': (
        {'held_out': DATA.x, 'num_classes': 3},
        'expected labels below num_classes=3 in array, got none',
    ),
    'a class without training images': (
        {'data': DATA, 'num_classes': 4},
        'expected training images of each of num_classes=4 in array (training), got none of 3: '
        'say num_classes=3',
    ),
    'classes of data without labels': (
        {'data': DATA.x, 'num_classes': 'auto'},
        "expected data with labels for num_classes='auto', got array (training) without",
    ),
    'steps and epochs': (
        {'epochs': 2},
        'expected steps or epochs > 0, got steps=3 and epochs=2',
    ),
    'nothing to profile': (
        {'profile': True},
        'expected two dispatches or more to profile, got 1 to be trained',
    ),
    'a folder of nobody': (
        {'run': '~no such user/run'},
        "expected a folder, got '~no such user/run': Could not determine home directory.",
    ),
    'no folder': ({'run': None}, 'expected a folder, got None: ...'),
    'a folder below a file': (
        {'run': f'{__file__}/run'},
        f'{__file__}/run: expected a folder to write to, got [Errno 20] Not a directory: ...',
    ),
    'a file for a folder': (
        {'run': __file__},
        f'{__file__}: expected a folder to write to, got [Errno 17] File exists: ...',
    ),
}
