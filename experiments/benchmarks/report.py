"""Results as tables of Markdown and as JSON."""

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from typing import Any

from experiments.benchmarks.harness import Result
from experiments.benchmarks.task import Benchmark
from genjax.machine import cpu_flags

# What tells one CPU from another here.
_FLAGS = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'amx_tile', 'asimd', 'bf16')


def machine() -> dict[str, Any]:
    """The machine, as far as it decides the figures."""
    model = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            names = [line.partition(':')[2].strip() for line in lines if line[:10] == 'model name']
        model = names[0] if names else model
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return {
        'cpu': model,
        'flags': [flag for flag in _FLAGS if flag in cpu_flags()],
        'cores': cores,
        'threads': {k: v for k, v in os.environ.items() if k.endswith('_NUM_THREADS')},
        'python': platform.python_version(),
        'system': platform.platform(),
        'date': datetime.date.today().isoformat(),
    }


def low(result: Result) -> bool:
    """Whether a contender multiplies in bfloat16."""
    options = result.contender.options
    return 'bfloat16' in (options.get('precision'), options.get('dtype')) or bool(
        options.get('bfloat16')
    )


def ratio(theirs: Result, ours: Result) -> float | None:
    """How many times faster ours is: the median over the rounds that both took part in."""
    pairs = list(zip(theirs.seconds, ours.seconds, strict=False))
    return statistics.median(t / o for t, o in pairs) if pairs else None


def nominal(results: Sequence[Result]) -> float | None:
    """FLOPs of a unit as direct convolutions; all contenders do the same work."""
    return next((r.facts['nominal_flops'] for r in results if 'nominal_flops' in r.facts), None)


def peaks(results: Sequence[Result]) -> dict[bool, float]:
    """The best measured rate of matrix products, FLOP/s, by whether it is of bfloat16."""
    rates: dict[bool, float] = {}
    for result in results:
        if result.seconds:
            rate = result.facts['nominal_flops'] / result.median
            rates[low(result)] = max(rates.get(low(result), 0.0), rate)
    return rates


def _amount(benchmark, seconds):
    if benchmark.rate:
        return f'{1 / seconds:,.0f} {benchmark.unit}/s'
    scale, unit = (1.0, 's') if seconds >= 1 else (1e3, 'ms')
    value = seconds * scale
    return f'{value:.3g} {unit}' if value < 100 else f'{value:.0f} {unit}'


def _row(benchmark, result, results, rates):
    ours = [r for r in results if r.contender.ours and r.seconds]
    name = f'**{result.contender.name}**' if result.contender.ours else result.contender.name
    if result.error is not None:
        return [name, f'left out: {result.error}']
    ends = sorted((min(result.seconds), max(result.seconds)), reverse=benchmark.rate)
    spread = ' to '.join(_amount(benchmark, s) for s in ends)
    row = [name, _amount(benchmark, result.median), spread]
    for other in ours:
        r = ratio(result, other)
        row.append('' if r is None or result.contender.ours else f'{r:.2f}')
    work, counted = nominal(results), result.facts.get('compiled_flops')
    row.append(f'{work / result.median / 1e9:,.0f}' if work else '')
    share = work / result.median / rates[low(result)] if work and low(result) in rates else None
    row.append(f'{share:.0%}' if share else '')
    row.append(f'{counted / result.median / 1e9:,.0f}' if counted else '')
    memory = result.facts.get('peak_rss')
    row.append(f'{memory / 2**20:,.0f} MiB' if memory else '')
    after = result.facts.get('compilations_after')
    return [*row, '' if after is None else f'{after:.0f}']


def table(benchmark: Benchmark, results: Sequence[Result], rates: dict[bool, float]) -> str:
    """One benchmark in Markdown; columns without entries are left out.

    Args:
      benchmark: what was done.
      results: by whom.
      rates: of `peaks`.
    """
    ours = [r for r in results if r.contender.ours and r.seconds]
    peers = any(not r.contender.ours for r in results)
    head = ['', 'median', 'range', *(f'over {r.contender.name}' for r in ours)]
    head += ['nominal GFLOP/s', 'of matmul', 'compiled GFLOP/s', 'peak memory', 'compiled later']
    rows = [_row(benchmark, result, results, rates) for result in results]
    rows = [row + [''] * (len(head) - len(row)) for row in rows]
    kept = [i for i in range(len(head)) if i < 2 or any(row[i] for row in rows)]
    if not peers:
        kept = [i for i in kept if not head[i].startswith('over ')]
    lines = [[line[i] for i in kept] for line in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    rule = ' | '.join('-' * max(w, 3) for w in widths)
    body = '\n'.join(f'| {line} |' for line in [text[0], rule, *text[1:]])
    return f'### {benchmark.name}\n\n{benchmark.title}\n\n{body}\n{best(results)}'


def best(results: Sequence[Result]) -> str:
    """The best of ours against the best of theirs, of all and of those in float32, in sentences."""
    lines = []
    groups = {'Best of each': results, 'In float32': [r for r in results if not low(r)]}
    for title, group in groups.items():
        ours = [r for r in group if r.contender.ours and r.seconds]
        theirs = [r for r in group if not r.contender.ours and r.seconds]
        if ours and theirs:
            us, them = (min(side, key=lambda r: r.median) for side in (ours, theirs))
            names = us.contender.name, them.contender.name
            lines.append(
                f'{title}: {names[0]} is {ratio(them, us):.2f} times as fast as {names[1]}.'
            )
    # Where all are in float32 both say the same.
    return '\n'.join(['', *(lines if any(map(low, results)) else lines[:1]), ''])


def record(benchmark: Benchmark, results: Sequence[Result]) -> dict[str, Any]:
    """One benchmark for JSON: seconds of a unit in every round, and facts."""
    return {
        'name': benchmark.name,
        'title': benchmark.title,
        'unit': benchmark.unit,
        'contenders': [
            {
                'name': r.contender.name,
                'ours': r.contender.ours,
                'options': dict(r.contender.options),
                'allocator_tuned': r.contender.tuned,
                'seconds': r.seconds,
                'median': r.median if r.seconds else None,
                'facts': r.facts,
                'error': r.error,
            }
            for r in results
        ],
    }
