"""The verdict on three files."""

from __future__ import annotations

from fractions import Fraction  # noqa: TC003 - a NamedTuple reads it
from typing import Any, NamedTuple

from .dilemma import Dilemma
from .edgeshard import EdgeShard
from .graphs import GraphLatency, GraphThroughput
from .reading import RefusedError, digest, load, need, number, only
from .replicas import Replicas
from .trajectories import Decoder, Trajectories

FORMAT = "placewise-certificate/1"


class Verdict(NamedTuple):
    """What was checked: the placement's cost, None without a placement; the bound, None if nothing is feasible."""

    cost: Fraction | None
    bound: Fraction | None

    def __str__(self) -> str:
        if self.bound is None:
            return "there is no placement"
        nothing = f"nothing costs less than {shown(self.bound)}"
        return nothing if self.cost is None else f"the placement costs {shown(self.cost)}; {nothing}"


def shown(value: Fraction) -> str:
    """Return 15 digits of a number."""
    return f"{float(value):.15g}"


PROBLEMS: dict[str, Any] = {
    "edgeshard-latency": EdgeShard,
    "edgeshard-throughput": EdgeShard,
    "edgeshard-batch": EdgeShard,
    "dilemma": Dilemma,
    "head-migration": Trajectories,
    "head-migration-decoder": Decoder,
    "graph-throughput": GraphThroughput,
    "graph-latency": GraphLatency,
    "replicated-throughput": Replicas,
}


def verify(instance: Any, result: Any, certificate: Any) -> Verdict:
    """Check parsed files, see `parse`; the result may be None where there is no placement."""
    try:
        return _verify(instance, result, certificate)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        raise RefusedError(f"malformed: {type(error).__name__}: {error}") from None


def _verify(instance: Any, result: Any, certificate: Any) -> Verdict:
    only(certificate, "format problem instance bound proofs sha256", "certificate")
    need(certificate["format"] == FORMAT, f"format: expected {FORMAT}")
    need(certificate["sha256"] == digest(certificate), "sha256: the certificate was changed")
    need(certificate["problem"] == instance["problem"], "problem: the certificate is of another problem")
    need(certificate["instance"] == instance["name"], "instance: the certificate is of another instance")
    need(instance["problem"] in PROBLEMS, f"problem: {instance['problem']} is not certified")
    problem = PROBLEMS[instance["problem"]](instance)
    placement = result.get("placement", result) if isinstance(result, dict) else None
    cost = None if placement is None else problem.value(placement)
    bound = None if certificate["bound"] is None else number(certificate["bound"], "bound")
    need(cost is None or bound is not None, "there is a placement, the certificate says that there is none")
    need(cost is None or bound <= cost, "bound: the placement costs less")
    problem.prove(bound, certificate["proofs"])
    return Verdict(cost, bound)


def main(paths: list[str]) -> int:
    """Say what is certified, or what is wrong first; 0 or 1."""
    if len(paths) != 3:
        print("python -m verify_certificate INSTANCE RESULT CERTIFICATE")
        return 2
    try:
        print(verify(*map(load, paths)))
    except (RefusedError, OSError) as error:
        print(f"refused: {error}")
        return 1
    return 0
