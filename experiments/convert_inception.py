"""The published weights of FID's Inception, made a file that `genjax.metrics.inception` reads.

    python -m experiments.convert_inception IN.pth OUT.safetensors    (seconds; needs PyTorch)

IN.pth is `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid's releases, which is
`weights-inception-2015-12-05-6726825d.pth` of torch-fidelity's. Such names end in the start of the
file's SHA-256: printed is whether it starts so, and the mark that figures of these weights carry.
"""

import hashlib
from pathlib import Path

import torch
import tyro

from genjax.exports.tensors import pack
from genjax.metrics.features import Extractor
from genjax.metrics.inception import of_tensors

PUBLISHED = '6726825d'


def convert(source: Path, target: Path) -> Extractor:
    """Writes the tensors of a state dict; nothing in its file is executed.

    Args:
      source: as `torch.save` wrote it.
      target: a .safetensors file.

    Returns:
      The extractor of the weights.

    Raises:
      ValueError: another target, no such source, a damaged one, or other tensors.
    """
    if target.suffix != '.safetensors':
        raise ValueError(f'expected to write a .safetensors file, got {target}')
    try:
        state = torch.load(source, map_location='cpu', weights_only=True)
        tensors = {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # What damaged files raise is of many kinds.
        raise ValueError(f'{source}: expected a state dict of tensors, got {error!r}') from error
    extractor = of_tensors(tensors, str(source))
    target.write_bytes(pack(tensors))
    return extractor


def main(source: tyro.conf.Positional[Path], target: tyro.conf.Positional[Path]) -> None:
    """Converts, and prints what it was."""
    mark = convert(source, target).mark
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    which = 'the published file' if digest.startswith(PUBLISHED) else 'not the published file'
    print(f'{source}: {which}, SHA-256 {digest}\n{target}: {mark}')


if __name__ == '__main__':
    tyro.cli(main)
