"""Instances that hurt: memory to the byte, devices that are of no use, ties, long and short times side by side.

Each drawer is a function of a seed and returns a `Trap`; `KINDS` names them. What all have in common: brute force
solves them, if not the instance itself then one without its useless devices.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.instances.generators import generate
from placewise.models.cluster import Cluster
from placewise.models.dilemma import Dilemma
from placewise.models.dilemma.data import QuantizableLayer
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance, Stated
from placewise.models.edgeshard.data import chain_type
from placewise.models.edgeshard.memory import used_bytes
from placewise.models.workload import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


#: Around these, one byte more or less is far below a solver's tolerance.
UNITS = (1, 813_727_744, 1_000_000_000, 12_345_678_901, 10**11)
#: Few values, so that placements tie.
TIMES_S = (
    (0.5, 1.0, 2.0, 3.7),
    (0.1, 0.37, 1.0, 1.3),
    (0.00089, 0.0008989, 0.004),
    (1.0, 1.0, 2.0),
    (0.0, 1.0),
)
SLOW_RATES = ((1.0, 100.0, 0.1), (10.0,), (0.0, 1.0, 2.0))
RATES = (*SLOW_RATES, (7.5e6, 6.25e6))
#: Bytes per second of links that no placement can want: with them times span fifteen powers of ten.
DEAD_RATES = ((10.0, 1e-3), (1e9, 1e-6, 0.0), (7.5e6, 1e-6))
#: Devices in all: where the default methods change (`thresholds` takes 13 or 20), and beyond.
PADDED_SIZES = (13, 14, 20, 21, 23, 30)


@dataclass(frozen=True)
class Trap:
    """An instance, and a smaller one with the same placements and costs for the oracle."""

    instance: Any
    core: Any


def byte_tight_latency(seed: int) -> Trap:
    """Return a latency instance whose layers and devices differ by single bytes."""
    instance = _pipeline(_dice(seed), f"byte-tight-latency-{seed}", "edgeshard-latency", RATES)
    return Trap(instance, instance)


def byte_tight_throughput(seed: int) -> Trap:
    """Return a throughput instance whose layers and devices differ by single bytes."""
    draw = _dice(seed)
    rates = RATES + DEAD_RATES
    instance = _pipeline(draw, f"byte-tight-throughput-{seed}", "edgeshard-throughput", rates)
    return Trap(instance, instance)


def padded_throughput(seed: int) -> Trap:
    """Return a small throughput instance among devices without memory, without links, or too slow."""
    draw = _dice(seed)
    size = draw.choice(PADDED_SIZES)
    core = _pipeline(draw, f"padded-throughput-{seed}", "edgeshard-throughput", RATES + DEAD_RATES)
    return Trap(_padded(draw, core, size), core)


def padded_latency(seed: int) -> Trap:
    """Return a small latency instance among devices of no use."""
    draw = _dice(seed)
    core = _pipeline(draw, f"padded-latency-{seed}", "edgeshard-latency", RATES)
    return Trap(_padded(draw, core, draw.randint(core.cluster.size + 1, 12)), core)


def byte_tight_batch(seed: int) -> Trap:
    """Return a batch instance in which one sequence more overflows a device by bytes."""
    draw = _dice(seed)
    base = _pipeline(draw, f"byte-tight-batch-{seed}", "edgeshard-throughput", RATES)
    sizes = tuple(sorted(draw.sample([1, 2, 3], draw.randint(1, 3))))
    caches = [draw.choice([0, 1, layer.memory_bytes // 2]) for layer in base.layers]
    if "-equal" in base.name:
        caches[2:-1] = [caches[min(1, len(caches) - 1)]] * len(caches[2:-1])
    layers = tuple(
        replace(layer, memory_bytes=max(layer.memory_bytes - cache, 0), cache_bytes=cache)
        for layer, cache in zip(base.layers, caches, strict=True)
    )
    times = np.stack([base.compute_time_s * draw.choice([1.0, 1.5, 2.0]) for _ in sizes])
    instance = EdgeShardBatch(
        base.cluster,
        layers,
        batch_sizes=sizes,
        compute_time_s=times,
        source=base.source,
        return_bytes=base.return_bytes,
        name=base.name,
    )
    return Trap(instance, instance)


def byte_tight_dilemma(seed: int) -> Trap:
    """Return an instance whose storage and error budget are met exactly, or missed by the least step."""
    draw = _dice(seed)
    count, size = draw.randint(2, 4), draw.randint(2, 3)
    widths = tuple(sorted(draw.sample([4, 8, 16], draw.randint(2, 3))))
    unit = draw.choice(UNITS)
    parameters = [2 * _near(draw, unit) for _ in range(count)]
    step = draw.choice([1.0, 2.0**-30])
    errors = [[draw.randint(0, 4) + step * draw.randint(0, 1) for _ in widths] for _ in range(count)]
    chosen = [(draw.randrange(size), draw.randrange(len(widths))) for _ in range(count)]
    bits = [number * widths[b] for number, (_, b) in zip(parameters, chosen, strict=True)]
    used = [sum(n for n, (i, _) in zip(bits, chosen, strict=True) if i == j) // 8 for j in range(size)]
    spent = sum(row[b] for row, (_, b) in zip(errors, chosen, strict=True))
    times = draw.choice(TIMES_S)
    instance = Dilemma(
        name=f"byte-tight-dilemma-{seed}",
        cluster=_cluster(
            draw,
            [max(space - draw.choice([0, 0, 0, 1]), 0) for space in used],
            draw.choice(SLOW_RATES),
            (1.0, 2.0),
        ),
        layers=tuple(
            QuantizableLayer(f"l{i}", draw.choice(times), number, float(draw.choice([1, 2])))
            for i, number in enumerate(parameters)
        ),
        bit_widths=widths,
        quantization_error=np.array(errors),
        error_budget=draw.choice([None, spent, max(spent - step, 0.0)]),
    )
    return Trap(instance, instance)


#: A problem's traps by name: add a drawer here, and `hunt` and the contract tests draw from it.
def decimal_budget(seed: int) -> Trap:
    """Return an instance of DILEMMA whose errors are decimals that meet their bounds exactly, or miss them by a digit."""
    instance = generate("dilemma", "decimals", seed=seed)
    return Trap(instance, instance)


def no_width(seed: int) -> Trap:
    """Return an instance of DILEMMA in which some layer, or each, has no admissible width, or just one."""
    draw = _dice(seed)
    base = generate("dilemma", "decimals", seed=seed)
    errors = sorted(set(base.quantization_error.ravel().tolist()))
    instance = replace(base, max_error=draw.choice(errors) * draw.choice([0.0, 0.5, 1.0]), error_budget=None)
    return Trap(instance, instance)


def zeros_latency(seed: int) -> Trap:
    """Return a latency instance in which much takes no time, and the rest times of all magnitudes."""
    instance = generate("edgeshard-latency", "zeros", seed=seed)
    return Trap(instance, instance)


def zeros_throughput(seed: int) -> Trap:
    """Return such an instance of the throughput problem."""
    instance = generate("edgeshard-throughput", "zeros", seed=seed)
    return Trap(instance, instance)


KINDS: dict[str, Callable[[int], Trap]] = {
    "padded-throughput": padded_throughput,
    "padded-latency": padded_latency,
    "byte-tight-latency": byte_tight_latency,
    "byte-tight-throughput": byte_tight_throughput,
    "byte-tight-batch": byte_tight_batch,
    "byte-tight-dilemma": byte_tight_dilemma,
    "decimal-budget": decimal_budget,
    "no-width": no_width,
    "tied-latency": lambda seed: _tied(seed, byte_tight_latency),
    "tied-throughput": lambda seed: _tied(seed, byte_tight_throughput),
    "tied-batch": lambda seed: _tied(seed, byte_tight_batch),
    "zeros-latency": zeros_latency,
    "zeros-throughput": zeros_throughput,
}


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - not for secrets


def _near(draw: random.Random, unit: int) -> int:
    return max(draw.randint(1, 4) * unit + draw.choice([0, 0, -1, 1, 7]), 1)


def _pipeline(
    draw: random.Random, name: str, problem: str, rates: Sequence[tuple[float, ...]]
) -> EdgeShardInstance:
    """Return an instance of 2 to 4 devices and 2 to 6 layers; a placement drawn at random fills its devices."""
    size, count = draw.randint(2, 4), draw.randint(2, 6)
    unit, times, chosen = draw.choice(UNITS), draw.choice(TIMES_S), draw.choice(rates)
    needs = [_near(draw, unit) for _ in range(count)]
    # No transfer so short that it passes for none.
    outputs = [draw.choice([0, 20480] if min(chosen) > 1e6 else [0, 1, 2, 20480]) for _ in range(count)]
    compute = [[draw.choice(times) for _ in range(size)] for _ in range(count)]
    if draw.random() < 0.4:
        name += "-equal"
        for i in range(2, count - 1):
            needs[i], outputs[i], compute[i] = needs[1], outputs[1], compute[1]
        outputs[0] = outputs[min(1, count - 1)]
    source = draw.randrange(size)
    rest = [draw.randrange(size) for _ in range(count - 1)]
    if "throughput" in problem:
        rest.sort(key=lambda j: (j != source, j))
    placement = [source, *rest]
    used = [sum(n for n, j in zip(needs, placement, strict=True) if j == device) for device in range(size)]
    memory = [max(space + draw.choice([0, 0, 0, 0, 1, -1]), 0) for space in used]
    return chain_type(problem)(
        name=name,
        cluster=_cluster(draw, memory, chosen),
        layers=tuple(
            Layer(f"l{i}", need, float(output))
            for i, (need, output) in enumerate(zip(needs, outputs, strict=True))
        ),
        compute_time_s=np.array(compute),
        source=source,
        return_bytes=draw.choice([0.0, 0.5, 1.0]),
    )


def _tied(seed: int, drawer: Callable[[int], Trap]) -> Trap:
    """Return a drawer's instance with shared tensors, often those of the first and the last layer; some devices full."""
    draw, base = _dice(seed), drawer(seed).instance
    layers, count, size = list(base.layers), len(base.layers), base.cluster.size
    for name in ("table", "bias")[: draw.choice([1, 1, 2])]:
        ends = draw.random() < 0.6
        users = [0, count - 1] if ends else draw.sample(range(count), draw.randint(2, count))
        most = min(layers[i].memory_bytes for i in users)
        shared = draw.choice([most, most // 2, min(most, 1)])
        for i in users:
            own = layers[i].memory_bytes - shared
            layers[i] = replace(layers[i], memory_bytes=own, shared=(*layers[i].shared, (name, shared)))
    instance = replace(base, name=f"tied-{base.name}", layers=tuple(layers))
    held = instance.at(draw.choice(instance.batch_sizes)).layers if drawer is byte_tight_batch else layers
    rest = sorted(draw.randrange(size) for _ in range(count - 1))
    where = [instance.source, *sorted(rest, key=lambda j: j != instance.source)]
    full = [used_bytes(held[i] for i in range(count) if where[i] == j) for j in range(size)]
    memory = [
        max(draw.choice([*[space] * 5, space - 1, space + 1, stated]), 0)
        for space, stated in zip(full, base.cluster.memory_bytes.tolist(), strict=True)
    ]
    instance = replace(instance, cluster=replace(base.cluster, memory_bytes=memory))
    return Trap(instance, instance)


def _cluster(
    draw: random.Random, memory: Sequence[int], rates: tuple[float, ...], flops: tuple[float, ...] = ()
) -> Cluster:
    size = len(memory)
    links = [[0.0 if k == j else draw.choice(rates) for j in range(size)] for k in range(size)]
    return Cluster(
        tuple(f"d{j}" for j in range(size)),
        np.array(memory),
        np.array(links),
        np.full((size, size), draw.choice([0.0, 0.0, 0.01])),
        np.array([draw.choice(flops) for _ in range(size)]) if flops else None,
    )


def _padded(draw: random.Random, core: EdgeShardInstance, size: int) -> EdgeShardInstance:
    """Return an instance with more devices: copies of one that nothing fits on, or that no link leads to."""
    old, known = core.cluster, core.cluster.size
    more = size - known
    linked = draw.random() < 0.4
    rates, latency = np.zeros((size, size)), np.full((size, size), float(old.latency_s.max()))
    rates[:known, :known], latency[:known, :known] = old.bandwidth_bytes_per_s, old.latency_s
    if linked:
        rates[known:, :], rates[:, known:] = old.bandwidth_bytes_per_s.max(), old.bandwidth_bytes_per_s.max()
        np.fill_diagonal(rates, 0.0)
    space = 0 if linked or draw.random() < 0.5 else int(core.memory_bytes.sum())
    columns = [core.compute_time_s[:, [draw.randrange(known)]] for _ in range(more)]
    return replace(
        core,
        name=f"{core.name}-{size}",
        cluster=Cluster(
            (*old.device_names, *(f"pad{j}" for j in range(more))),
            np.append(old.memory_bytes, [space] * more),
            rates,
            latency,
        ),
        times=Stated(np.column_stack([core.compute_time_s, *columns])),
    )
