"""Whether gradient penalties hold a discriminator, or hold it down, by what was logged."""

import numpy as np

from genjax.train.logs import Record

_PENALTIES = ('r1', 'r2')
_RECORDS = 5  # that a judgement needs
# On the digits (DCGAN of width 8 without norms, R1, 400 steps) logits of real and of fake images
# were 0.1 apart at most and samples stayed noise with a weight of 1,000, a hundred times too much;
# from 10 down they were 2 apart and more. With 0.003 the penalty was 1% of the loss.
_HELD_DOWN = 0.2
_NOTHING = 0.02
_SURE = 0.2  # a loss by which the discriminator tells nearly all images


def imbalance(records: list[Record]) -> list[str]:
    """What is to be said of R1 and R2: that they are far too strong or far too weak.

    Too strong: never yet were the logits of real and of fake images apart, not even while samples
    were noise. Too weak: a discriminator that tells nearly all images, of whose loss the penalties
    are next to nothing.

    Args:
      records: all that was logged of a GAN.
    """
    seen = [record for record in records if 'discriminator/real_logits' in record]
    names = [name for name in _PENALTIES if seen and f'discriminator/{name}' in seen[-1]]
    if not names or len(seen) < _RECORDS:
        return []
    apart = [r['discriminator/real_logits'] - r['discriminator/fake_logits'] for r in seen]
    last = seen[-_RECORDS:]
    loss, alone = (
        float(np.mean([r[f'discriminator/{name}'] for r in last]))
        for name in ('loss', 'adversarial')
    )
    told, both = [], ' and '.join(names)
    if max(np.abs(apart)) < _HELD_DOWN:
        told.append(
            f'{both} far too strong: logits of real and fake images were never more '
            f'than {max(np.abs(apart)):.2g} apart; a tenth of the weight, or less, lets it learn'
        )
    if 0 <= alone < _SURE and loss - alone < _NOTHING * loss:
        told.append(
            f'{both} far too weak: the discriminator tells nearly all images (loss {alone:.2g}), '
            f'and they are {(loss - alone) / loss:.1%} of its loss; try ten times the weight'
        )
    return told
