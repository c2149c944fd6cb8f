"""Proofs for heads that move: each interval's bound, and the dual prices of the transports where heads were somewhere."""

from __future__ import annotations

from fractions import Fraction
from math import floor, isfinite, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.solvers.certificates.chains import BITS
from placewise.solvers.execution.context import Context
from placewise.solvers.execution.parameters import Parameters
from placewise.tools.verify_certificate import RefusedError, Tables, walks

if TYPE_CHECKING:
    from placewise.models.head_migration import HeadMigrationInstance
    from placewise.tools.verify_certificate import Heads, Step

#: That prices of heads are given.
SECONDS = 30.0


def proofs_of(problem: Heads, bound: Fraction | None) -> list[dict[str, Any]]:
    """Return the proofs of a bound on an instance of one interval, or of an interval without a placement.

    Parameters
    ----------
    problem : Heads
        As the verifier reads it.
    bound : Fraction or None
        Seconds; None: that there is no placement.

    Raises
    ------
    RefusedError
        Where the bound is wrong, or no interval alone shows that there is no placement.
    """
    refusal = RefusedError("no interval alone shows that there is no placement")
    for t in range(problem.count if bound is None else 1):
        proof = _interval(problem, t, bound)
        try:
            problem.step(t, bound, proof)
        except RefusedError as error:
            refusal = refusal if bound is None else error
            continue
        return [proof]
    raise refusal


def proofs_over_time(problem: Heads) -> tuple[Fraction, list[dict[str, Any]]]:
    """Return the sum of the intervals' bounds, moves left out, and their proofs.

    Parameters
    ----------
    problem : Heads
        As the verifier reads it; of any number of intervals.

    Returns
    -------
    (Fraction, list of dict)
        Seconds, in few digits, and a proof per interval.
    """
    total, proofs = Fraction(0), []
    for t in range(problem.count):
        least = Fraction(int(_least(problem, t) * (1 - Fraction(1, 10**12)) * 10**15), 10**15)
        proofs.append(_interval(problem, t, least))
        problem.step(t, least, proofs[-1])
        total += least
    return total, proofs


def proof_by_prices(problem: Heads, instance: HeadMigrationInstance) -> tuple[Fraction, list[dict[str, Any]]]:
    """Return a bound from prices of heads, moves counted, and its proof.

    Parameters
    ----------
    problem : Heads
        As the verifier reads it; of any number of intervals.
    instance : HeadMigrationInstance
        The same.

    Returns
    -------
    (Fraction, list of dict)
        Seconds, in few digits, and one proof.

    Raises
    ------
    RefusedError
        Where there is no trajectory, or the tables are too large.
    """
    from placewise.solvers.head_migration import modes
    from placewise.solvers.head_migration.horizon import Search

    try:
        modes.guarantee(instance)
    except NotApplicableError as error:
        raise RefusedError(str(error)) from None
    ascent = modes.Ascent(Search(instance, Context(Parameters(time_limit=SECONDS))))
    ascent.run()
    bound_s = ascent.bound.value_s
    if not isfinite(bound_s):
        raise RefusedError("no interval alone shows that there is no placement")
    unit = Fraction(2) ** (int(log2(bound_s)) - BITS) if bound_s > 0 else Fraction(1)
    prices = [
        [[int(Fraction(price) / unit) for price in row] for row in layer.tolist()]
        for layer in ascent.relaxation.whole(ascent.prices_s)
    ]
    none = [[0] * problem.cluster.size for _ in range(problem.count)]
    proof = {"unit": str(unit), "price": prices[0], "network": prices[1] if len(prices) > 1 else none}
    found = walks.least(problem, proof)
    return Fraction(floor(found * 10**15), 10**15), [proof]


def _least(problem: Heads, t: int) -> Fraction:
    """Return what an interval costs at least without moves."""
    tables, best = Tables(problem, t), list[Fraction]()
    devices = range(tables.size)
    for p in devices:
        for f in devices:
            after = tables.after[p][f]
            if after is None:
                continue
            times = []
            for j in devices:
                left = tables.space[j] - (j == p) * tables.memory[1] - (j == f) * tables.memory[2]
                slope, fixed = tables.slope[j][p], tables.fixed[j][p]
                if slope is None or fixed is None or left < 0:
                    continue
                fit = min(left // tables.memory[0] if tables.memory[0] else tables.units, tables.units)
                times += [slope * n + fixed for n in range(1, fit + 1)]
            if len(times) >= tables.units:
                best.append(tables.weight * (sorted(times)[tables.units - 1] + after))
    if not best:
        raise RefusedError(f"interval {t} has no placement")
    return min(best)


def _interval(problem: Heads, t: int, bound: Fraction | None) -> dict[str, Any]:
    """Return the proof of an interval: prices wherever limits on the heads' time are left to exclude."""
    unit = None
    if bound is not None:
        unit = Fraction(2) ** (int(log2(bound)) - BITS) if bound > 0 else Fraction(1)
    tables, before = Tables(problem, t), problem.before if t == 0 else None
    prices = []
    for p in range(tables.size):
        for f in range(tables.size):
            found: list[list[int]] = []
            for step in tables.pair(p, f, bound, unit, before):
                if step.moving and not step.closed(found):
                    found.append(_duals(step))
            if found:
                prices.append({"proj": p, "ffn": f, "price": found})
    text = {} if bound is None else {"bound": str(bound), "unit": str(unit)}
    return {"interval": t, **text, "prices": prices}


def _duals(step: Step) -> list[int]:
    """Return the prices of a transport's rooms; heads for which there is none pay twice the bound.

    Once would leave nothing for the rounding of the prices.
    """
    from scipy.optimize import linprog

    size, goal = len(step.caps), float(step.goal)
    arcs = [
        (k, j)
        for k, count in enumerate(step.counts)
        for j in range(size)
        if count and isfinite(step.move[k][j])
    ]
    left = [k for k, count in enumerate(step.counts) if count]
    cost = np.array([step.move[k][j] / goal for k, j in arcs] + [2.0] * len(left))
    equal, most = np.zeros((len(left), len(cost))), np.zeros((size, len(cost)))
    for column, (k, j) in enumerate(arcs):
        equal[left.index(k), column] = most[j, column] = 1
    equal[np.arange(len(left)), len(arcs) + np.arange(len(left))] = 1
    found = linprog(cost, most, step.caps, equal, [step.counts[k] for k in left], method="highs")
    if found.x is None:
        return [0] * size
    duals = -np.asarray(found.ineqlin.marginals)
    return [max(round(float(dual) * goal), 0) for dual in duals]
