"""Predictions under several beliefs about the machines, and what of measurements fits them best.

The model is asked, never written again: what an efficiency, an overhead per layer or one per hop adds to a placement's
time is the difference between two evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.runtime.machines import cluster_of
from placewise.instances import convert
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.models.registry import problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from placewise.benchmarks.runtime.machines import Machine
    from placewise.models.edgeshard import EdgeShardLatency

#: Of one core: a 96th of what the maker states of an EPYC 9654, the nearest one with a data sheet.
DATA_SHEET = {"flops_per_s": 7.373e12 / 96, "memory_bytes_per_s": 460.8e9 / 96}


@dataclass(frozen=True)
class Belief:
    """What is believed of the machines.

    Parameters
    ----------
    rates : dict of str to float
        Of a core.
    routed : bool
        Whether servers talk through the source, and logits come back; the conversion's own reading else.
    efficiency, layer_overhead_s, hop_overhead_s : float
        As in cluster files.
    """

    rates: dict[str, float]
    routed: bool
    efficiency: float = 1.0
    layer_overhead_s: float = 0.0
    hop_overhead_s: float = 0.0

    def instance(self, model: Path, machines: list[Machine], tokens: int) -> EdgeShardLatency:
        """Return the instance.

        Parameters
        ----------
        model : Path
            A GGUF file.
        machines : list of Machine
            The first one is the source.
        tokens : int
            Of the cache.
        """
        document = cluster_of(
            machines,
            self.rates,
            through=self.routed,
            efficiency=self.efficiency,
            layer_overhead_s=self.layer_overhead_s,
            hop_overhead_s=self.hop_overhead_s,
        )
        found: EdgeShardLatency = convert(
            model,
            cluster=read_cluster_file(document).cluster,
            sequence_length=tokens,
            returns="logits" if self.routed else "token",
        )
        return found


def predicted_s(instance: EdgeShardLatency, placement: Any) -> float:
    """Return the model's seconds per token, whatever of the rules or the stated memory the placement breaks.

    Parameters
    ----------
    instance : EdgeShardLatency
        Any.
    placement : tuple of int
        The device of each layer.
    """
    found = problem_of(instance).evaluate(instance, placement).objective
    assert found is not None
    return found


def fitted(
    belief: Belief, model: Path, runs: Sequence[tuple[list[Machine], Any, float]], tokens: int
) -> Belief:
    """Return the belief with the rates and overheads that fit measurements best (non-negative least squares).

    Relative errors are what is least: a placement that takes three times as long counts as much as another.

    Parameters
    ----------
    belief : Belief
        With rates that are measured.
    model : Path
        A GGUF file.
    runs : sequence of (list of Machine, tuple, float)
        Machines, placement, seconds per token.
    tokens : int
        Of the cache.
    """
    from scipy.optimize import nnls

    rows, right = [], []
    for machines, placement, measured_s in runs:

        def of(changed: Belief, machines: list[Machine] = machines, placement: Any = placement) -> float:
            return predicted_s(changed.instance(model, machines, tokens), placement)

        rates = belief.rates
        plain_s = of(Belief(rates, belief.routed))
        slower_s = of(Belief(rates, belief.routed, efficiency=0.5)) - plain_s  # once more what is computed
        layer_s = of(Belief(rates, belief.routed, layer_overhead_s=1.0)) - plain_s
        hop_s = of(Belief(rates, belief.routed, hop_overhead_s=1.0)) - plain_s
        rows.append([slower_s / measured_s, layer_s / measured_s, hop_s / measured_s])
        right.append((measured_s - plain_s) / measured_s + slower_s / measured_s)
    (inverse, layer_s, hop_s), _ = nnls(np.array(rows), np.array(right))
    scaled = {key: rate / max(float(inverse), 1e-9) for key, rate in belief.rates.items()}
    return Belief(scaled, belief.routed, layer_overhead_s=float(layer_s), hop_overhead_s=float(hop_s))


def errors(predicted: Sequence[float], measured: Sequence[float]) -> dict[str, float]:
    """Return how far off predictions are, and whether they rank placements rightly.

    Parameters
    ----------
    predicted, measured : sequence of float
        Seconds.

    Returns
    -------
    dict
        ``mean`` and ``worst`` relative error without sign, ``bias`` with it (negative: too fast), ``order``: the share
        of pairs that differ by more than 3 % in truth and stand in the right order.
    """
    relative = [p / m - 1 for p, m in zip(predicted, measured, strict=True)]
    pairs = [
        (predicted[a] < predicted[b]) == (measured[a] < measured[b])
        for a, b in combinations(range(len(measured)), 2)
        if abs(measured[a] - measured[b]) > 0.03 * max(measured[a], measured[b])
    ]
    return {
        "mean": float(np.mean(np.abs(relative))),
        "worst": float(np.max(np.abs(relative))),
        "bias": float(np.mean(relative)),
        "order": float(np.mean(pairs)) if pairs else 1.0,
    }
