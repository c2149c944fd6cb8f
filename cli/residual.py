"""compare what the cost model predicts with tokens per second that were measured, and say what would explain it"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.cli.check import read_result
from placewise.cli.convert import add_instance_options, instance_of
from placewise.models.edgeshard import EdgeShardLatency
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers import solve

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "instance",
        metavar="INSTANCE",
        help="of edgeshard-latency: a path, - or a name; with --cluster a model's file",
    )
    parser.add_argument(
        "--measured", type=float, required=True, metavar="T", help="tokens per second, one sequence at a time"
    )
    parser.add_argument("--result", metavar="RESULT", help="the placement that was measured (default: solve)")
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate the placement, compare, and show."""
    if not 0 < options.measured < 1e9:
        raise PlacewiseError(f"--measured: expected tokens per second > 0, found {options.measured:g}")
    instance = instance_of(options, options.instance)
    if not isinstance(instance, EdgeShardLatency):
        raise PlacewiseError(
            f"{instance.name}: expected an instance of edgeshard-latency, found {instance.problem}"
        )
    placement = _placement(instance, options.result)
    found = residual(instance, placement, 1 / options.measured)
    if options.json:
        output.print_json({"format": "placewise-residual/1", **found})
    else:
        for line in _lines(found):
            print(line)
    return output.SOLVED


def _placement(instance: EdgeShardLatency, result: str | None) -> Any:
    if result:
        return read_result(instance, result)[0]
    placement = solve(instance).placement
    if placement is None:
        raise PlacewiseError(f"{instance.name}: no placement was found whose latency could be compared")
    return placement


def residual(instance: EdgeShardLatency, placement: Any, measured_s: float) -> dict[str, Any]:
    """Return prediction and measurement, and what each cause alone would have to be.

    Parameters
    ----------
    instance : EdgeShardLatency
        With rates as they are believed to be.
    placement : tuple of int
        Device of each layer, as it was measured.
    measured_s : float
        Seconds per token.

    Returns
    -------
    dict
        Seconds; ``efficiency`` by which the rates would have to be multiplied, ``layer_overhead_s`` and
        ``hop_overhead_s`` that would have to be added; None where a cause cannot explain it.
    """
    evaluation = problem_of(instance).evaluate(instance, placement)
    if evaluation.objective is None:
        raise PlacewiseError(f"{instance.name}: {evaluation.violations[0].message}")
    predicted_s = evaluation.objective
    compute_s = evaluation.terms["compute"]
    hops = sum(a != b for a, b in pairwise(placement))
    hops += int(instance.return_bytes > 0 and placement[-1] != placement[0])
    layers = sum(bool(layer.memory_bytes or layer.flops) for layer in instance.layers)
    missing_s = measured_s - predicted_s
    left_s = compute_s + missing_s
    return {
        "instance": instance.name,
        "predicted_s": predicted_s,
        "measured_s": measured_s,
        "residual_s": missing_s,
        "relative": missing_s / measured_s,
        "hops": hops,
        "efficiency": compute_s / left_s if left_s > 0 and compute_s / left_s <= 1 else None,
        "layer_overhead_s": missing_s / layers if missing_s >= 0 else None,
        "hop_overhead_s": missing_s / hops if hops and missing_s >= 0 else None,
    }


def _lines(found: dict[str, Any]) -> list[str]:
    predicted, measured = found["predicted_s"], found["measured_s"]
    lines = [
        f"predicted {output.duration(predicted)} per token ({1 / predicted:.4g} tokens/s)",
        f"measured  {output.duration(measured)} per token ({1 / measured:.4g} tokens/s)",
        f"residual  {output.duration(found['residual_s'])}, {found['relative']:+.1%} of what was measured",
    ]
    if found["residual_s"] < 0:
        return [
            *lines,
            "faster than predicted: rates or memory are stated too low, or another placement was measured",
        ]
    causes = [f"efficiency x {found['efficiency']:.3g}", f"layer_overhead_s {found['layer_overhead_s']:.3g}"]
    if found["hop_overhead_s"] is not None:
        causes.append(f"hop_overhead_s {found['hop_overhead_s']:.3g} on {found['hops']} hops")
    return [*lines, f"each of these alone would explain it: {', '.join(causes)}"]
