#!/usr/bin/env bash
# Question: a convolution's kernel is turned from HWIO to OIHW, as between Flax and PyTorch, by NumPy's
#   `transpose`, and saved by safetensors.numpy. What is read back?
# Versions: safetensors 0.8.0, numpy 2.4.6 (Python 3.11 and 3.13).
# Expected: the same kernel; or an error, as safetensors.torch has for tensors that are not contiguous.
# Behaviour: `save` and `save_file` write the array's memory as it lies, with the shape of the view.
#   The file is whole, the shape and the dtype are right, the names are all there, and almost every
#   number stands in another's place. So it is for Fortran's order, columns and reversed views, and for
#   `broadcast_to`, of whose memory there is less than of its numbers. Rows `[::2]` come out right.
#   `numpy.ascontiguousarray` before saving is the cure; nothing asks for it.
# Output seen:
#   as it is: 0.00 of the numbers are others
#   HWIO to OIHW: 0.98 of the numbers are others
#   Fortran's order: 0.98 of the numbers are others
#   every other column: 0.99 of the numbers are others
#   upside down: 0.50 of the numbers are others
#   every other row: 0.00 of the numbers are others
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$work"
venv/bin/python - <<'END'
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
views = {
    'as it is': kernel,
    'HWIO to OIHW': kernel.transpose(3, 2, 0, 1),
    "Fortran's order": np.asfortranarray(kernel),
    'every other column': kernel[..., ::2],
    'upside down': kernel[::-1],
    'every other row': kernel[::2],
}
save_file(views, 'kernels.safetensors')
read = load_file('kernels.safetensors')
others = {name: round(float((read[name] != view).mean()), 2) for name, view in views.items()}
for name, share in others.items():
    print(f'{name}: {share:.2f} of the numbers are others')
sys.exit(0 if list(others.values()) == [0.0, 0.98, 0.98, 0.99, 0.5, 0.0] else 'it has changed')
END
