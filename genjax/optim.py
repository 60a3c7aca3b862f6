"""Optimizers of a player: optax's, with the guards against overfitting, and weight clipping."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jaxtyping import PyTree

from genjax.core import check_range
from genjax.parts import SCHEDULE, Kind, ScalarOrSchedule, Schedule, make

OPTIMIZER = Kind('an optimizer', ('optax', 'optax.contrib'), given=('learning_rate',))
OptimizerLike = Annotated[Callable[..., optax.GradientTransformation] | str, OPTIMIZER]
_TOY = {'kernel': jax.ShapeDtypeStruct((2, 3), jnp.float32)}


def is_kernel(params: PyTree) -> PyTree:
    """A mask that leaves out biases and the scales of norms: what weight decay should not touch."""

    def kernel(path, leaf):
        return jnp.ndim(leaf) > 1 and getattr(path[-1], 'key', None) not in ('bias', 'scale')

    return jax.tree_util.tree_map_with_path(kernel, params)


def add_decayed_signs(
    weight: float, mask: PyTree | Callable[[PyTree], PyTree] | None = None
) -> optax.GradientTransformation:
    """Decoupled L1: adds `weight * sign(params)` to the updates, as `optax.add_decayed_weights`
    adds `weight * params`.

    Args:
      weight: strength of the decay, before the learning rate.
      mask: which parameters decay, a tree of bools or a function that makes one.
    """

    def update(updates, state, params=None):
        return jax.tree.map(lambda u, p: u + weight * jnp.sign(p), updates, params), state

    decay = optax.GradientTransformation(lambda params: optax.EmptyState(), update)
    return decay if mask is None else optax.masked(decay, mask)


def optimizer(
    maker: OptimizerLike,
    learning_rate: ScalarOrSchedule,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    **options: Any,
) -> optax.GradientTransformation:
    """An optimizer with decoupled L1 and L2 decay of kernels; biases and norms are left out.

    The update of a kernel is `u(clip(g)) - lr (l1 sign(w) + l2 w)`, u the optimizer's own; of Adam
    with L2 that is AdamW (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101).

    Args:
      maker: a function of optax or optax.contrib that takes a learning rate, one like them, or the
        text of one, `adam:b1=0.5`. Options that are schedules count the player's updates.
      learning_rate: a number or an optax schedule of the player's updates.
      l1: strength of the L1 decay.
      l2: strength of the L2 decay.
      clip_norm: gradients of a greater global norm are scaled down to it first.
      **options: of the maker; None leaves its own.

    Raises:
      ValueError: a number out of its range, or an optimizer that needs more than gradients,
        parameters and the loss.
    """
    rate = make(SCHEDULE, learning_rate)
    numbers = {} if callable(rate) else {'learning_rate': rate}
    check_range(0, **numbers, l1=l1, l2=l2, clip_norm=clip_norm or 0)
    made = _checked(make(OPTIMIZER, maker, **options), rate)
    if l1 or l2:
        decays = [add_decayed_signs(l1, is_kernel)] if l1 else []
        decays += [optax.add_decayed_weights(l2, is_kernel)] if l2 else []
        made = _beside(made, optax.chain(*decays, optax.scale_by_learning_rate(rate)))
    if clip_norm is None:
        return made
    return optax.chain(optax.clip_by_global_norm(clip_norm), made)


def adam(
    learning_rate: ScalarOrSchedule,
    b1: ScalarOrSchedule = 0.9,
    b2: ScalarOrSchedule = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980) with the guards of `optimizer`.

    Args:
      learning_rate: a number or an optax schedule of the player's updates.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      l1: strength of the L1 decay.
      l2: strength of the L2 decay.
      clip_norm: gradients of a greater global norm are scaled down to it first.

    Raises:
      ValueError: a number out of its range.
    """
    guards: dict[str, Any] = {'l1': l1, 'l2': l2, 'clip_norm': clip_norm}
    return optimizer(optax.adam, learning_rate, b1=b1, b2=b2, eps=eps, **guards)


def _checked(maker: Callable, rate: Any) -> optax.GradientTransformationExtraArgs:
    """The optimizer, tried on one parameter: what it needs beside that it would miss later."""
    function, chosen = getattr(maker, 'func', maker), getattr(maker, 'keywords', {})
    name = getattr(function, '__name__', 'the optimizer')
    numbers = {n: v for n, v in chosen.items() if isinstance(v, float | int)}
    check_range(0, 1, **{n: v for n, v in numbers.items() if n in ('b1', 'b2', 'b3')})
    check_range(0, **{n: v for n, v in numbers.items() if n == 'eps'})
    if name.startswith('scale_by_'):
        raise ValueError(f'expected an optimizer, which takes a learning rate, got its part {name}')
    if name.startswith('schedule_free'):
        raise ValueError(f'{name}: the parameters that it means to be used are in its state, where '
                         'samples do not look; take another, with ema_decay')  # fmt: skip
    slots = inspect.signature(function).parameters
    moving = {n for n, value in chosen.items() if _moves(slots.get(n), value)}
    if moving:  # They are computed anew for each update; the others stay as they are.
        fixed = [n for n in slots if n not in moving]
        maker = functools.partial(optax.inject_hyperparams(function, fixed), **chosen)
    needs = {'value': jax.ShapeDtypeStruct((), jnp.float32), 'grad': _TOY}

    def trial(params, value, grad):
        made = optax.with_extra_args_support(maker(rate))
        return made.update(grad, made.init(params), params, value=value, grad=grad)[0]

    try:
        with jax.numpy_dtype_promotion('standard'):
            jax.eval_shape(trial, _TOY, **needs)
    except Exception as error:  # Each of them asks in its own way.
        raise ValueError(
            f'expected an optimizer that needs gradients, parameters and the loss; {name}: {error}'
        ) from None
    return optax.with_extra_args_support(maker(rate))


def _moves(slot: inspect.Parameter | None, value: Any) -> bool:
    """Whether an option is a schedule: masks and dtypes can be called too."""
    number = slot is not None and isinstance(slot.default, float | int)
    return isinstance(value, Schedule) or (callable(value) and number)


def _beside(
    main: optax.GradientTransformationExtraArgs, decay: optax.GradientTransformation
) -> optax.GradientTransformationExtraArgs:
    """The sum of two updates, the second one of parameters alone."""

    def init(params):
        return main.init(params), decay.init(params)

    def update(updates, state, params=None, **extra):
        first, a = main.update(updates, state[0], params, **extra)
        second, b = decay.update(optax.tree.zeros_like(updates), state[1], params)
        return optax.tree.add(first, second), (a, b)

    return optax.GradientTransformationExtraArgs(init, update)


def clip_weights(bound: float) -> optax.GradientTransformationExtraArgs:
    """Keeps every parameter in `[-bound, bound]`, as the critic of Arjovsky et al. 2017
    (https://arxiv.org/abs/1701.07875); to be the last of a chain.

    Args:
      bound: the greatest absolute value, > 0.

    Raises:
      ValueError: `bound` is not positive.
    """
    if bound <= 0:
        raise ValueError(f'expected a bound > 0, got {bound}')

    def update(updates, state, params=None, *, lr_scale=1.0, **extra):
        # The updates will be multiplied by lr_scale, so the box is theirs after that.
        def clip(u, p):
            clipped = (jnp.clip(p + lr_scale * u, -bound, bound) - p) / lr_scale
            return jnp.where(lr_scale == 0, u, clipped)

        return jax.tree.map(clip, updates, params), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
