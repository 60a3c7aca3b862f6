#!/usr/bin/env bash
# Question: Pythae's hyperspherical VAE draws from a von Mises-Fisher by rejection, and its loss is
#   differentiated through the accepted draws. How near is that to the derivative of the expectation?
# Versions: pythae 0.1.2, torch 2.13.0, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: the derivative of E[w] = I_{d/2}(k) / I_{d/2 - 1}(k), w the cosine to the mean direction,
#   by the concentration k; or less in many dimensions, where more draws are refused.
# Behaviour: the draws have the right mean. Their derivative falls short, since which draws are
#   accepted depends on k too and no term tells of that (Naesseth et al. 2017 have it): by a fifth on
#   the ordinary sphere, by 1 to 6% in 11 dimensions (those of the paper's MNIST), by 2% in 41. It is
#   few dimensions that suffer, for which the method is made. The encoder is told so that concentration
#   helps the reconstruction less than it does; the KL's own derivative is exact.
# Output seen:
#   d = 3, k = 1: mean 0.312 of 0.313, derivative 0.80 of it
#   d = 3, k = 5: mean 0.801 of 0.800, derivative 0.79 of it
#   d = 3, k = 20: mean 0.950 of 0.950, derivative 0.95 of it
#   d = 11, k = 1: mean 0.091 of 0.090, derivative 0.99 of it
#   d = 11, k = 5: mean 0.393 of 0.393, derivative 0.94 of it
#   d = 11, k = 20: mean 0.776 of 0.776, derivative 0.95 of it
#   d = 41, k = 20: mean 0.409 of 0.409, derivative 0.98 of it
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pythae==0.1.2 torch==2.13.0 scipy==1.17.1 numpy==2.4.6
cd "$work"
venv/bin/python -W ignore - <<'END'
import sys

import torch
from pythae.models import SVAE, SVAEConfig
from scipy.special import ive

torch.manual_seed(0)
model = SVAE(SVAEConfig(input_dim=(1, 2, 2), latent_dim=3, reconstruction_loss='bce'))


def exact(d, k):
    return ive(d / 2, k) / ive(d / 2 - 1, k)


seen = []
for d, k in [(3, 1), (3, 5), (3, 20), (11, 1), (11, 5), (11, 20), (41, 20)]:
    concentration = torch.full((400_000, 1), float(k), requires_grad=True)
    w = model._acc_rej_steps(d, concentration)
    slope = torch.autograd.grad(w.mean(), concentration)[0].sum().item()
    true = (exact(d, k + 1e-3) - exact(d, k - 1e-3)) / 2e-3
    print(f'd = {d}, k = {k}: mean {w.mean():.3f} of {exact(d, k):.3f}, '
          f'derivative {slope / true:.2f} of it')
    assert abs(w.mean().item() - exact(d, k)) < 3e-3
    seen.append(slope / true)
expected = [0.80, 0.79, 0.95, 0.99, 0.94, 0.95, 0.98]
sys.exit(0 if all(abs(a - b) < 0.012 for a, b in zip(seen, expected)) else 'it has changed')
END
