"""Head-level placement by modes: where the projection is, and a limit on the heads' time, chosen together.

With the projection on p, a limit on the time of (6) says how many heads each device may have: ``u_j``, as many as are
through by then and fit into its memory (beside the projection, on p). A mode of an interval is a place p and a limit; only
times at which a device has just done one head more are limits worth having, M H at most. One mode is chosen per interval,
the heads on a device are at most its ``u_j``, and the limit is what the heads cost.

Exact: every trajectory has the mode whose limit is the time of its last head, and costs the same; and where a mode is
chosen, all heads are through by its limit, so what the model calls an optimum costs no more than it says. The limit stands
in the objective without a big-M; relaxed, the model is far stronger than `milp`, and far larger.

Sources: columns of patterns, Dantzig and Wolfe (1960); a bottleneck by thresholds, Edmonds and Fulkerson (1970).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import NotApplicableError
from placewise.models.head_migration.cost import capacities, head_costs, head_times_s
from placewise.models.head_migration.milp import add_following, add_moves, add_places, memory_rows
from placewise.models.head_migration.milp_values import start_places
from placewise.models.statement import stated
from placewise.models.units import MILLISECONDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.models.head_migration.data import HeadMigrationInstance
    from placewise.models.head_migration.placement import Trajectory

#: Modes that are listed in a model, at most.
LARGEST_MODEL = 20_000


@dataclass(frozen=True, eq=False)
class Modes:
    """All modes of an instance, by interval and place of the projection in the order of their limits.

    Parameters
    ----------
    limit_s : ndarray, shape (T, M, K)
        Limits on the heads' time, K = M H - H + 1: from the least with room for all heads on; infinite where there are no
        more.
    owner : ndarray of int, shape (T, M, M H)
        Which device takes one head more, in the order of time: with limit k the first ``k + H`` do.
    """

    limit_s: NDArray[np.float64]
    owner: NDArray[np.intp]

    @property
    def heads(self) -> int:
        """``H``."""
        return int(self.owner.shape[2] - self.limit_s.shape[2] + 1)

    def room(self, t: int, proj: int, mode: int) -> NDArray[np.intp]:
        """Return how many heads each device may have, shape (M,).

        Parameters
        ----------
        t, proj, mode : int
            Interval, the projection's device, position of the limit.
        """
        return np.bincount(self.owner[t, proj, : mode + self.heads], minlength=self.owner.shape[1])

    def useful(self) -> NDArray[np.bool_]:
        """Return which modes have more room than any as short, shape (T, M, K)."""
        longer = np.full_like(self.limit_s, np.inf)
        longer[:, :, :-1] = self.limit_s[:, :, 1:]
        return np.isfinite(self.limit_s) & (self.limit_s < longer)


def modes_of(instance: HeadMigrationInstance) -> Modes:
    """Return the modes of an instance: 12 T M**2 H bytes and more.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals.
    """
    count, size, heads = instance.intervals, instance.cluster.size, instance.transformer.units
    limit_s = np.empty((count, size, size * heads - heads + 1))
    owner = np.empty((count, size, size * heads), dtype=np.intp)
    along, number = np.arange(size), np.arange(1, heads + 1)
    for t in range(count):
        times_s = head_times_s(instance, t).transpose(1, 0, 2).copy()  # projection, device, number
        with_proj = capacities(instance, t)[1, 0]
        own_s = times_s[along, along]
        own_s[number > with_proj[:, None]] = np.inf
        times_s[along, along] = own_s
        times_s[with_proj < 0] = np.inf
        flat_s = times_s.reshape(size, -1)
        order = np.argsort(flat_s, axis=1, kind="stable")
        limit_s[t] = np.take_along_axis(flat_s, order, axis=1)[:, heads - 1 :]
        owner[t] = order // heads
    return Modes(limit_s, owner)


@dataclass(frozen=True, eq=False)
class Kept:
    """What of the model is stated, where the rest is known to be in no better trajectory.

    Parameters
    ----------
    mode : ndarray of bool, shape (T, M, K)
        As in `Modes`.
    both : ndarray of bool, shape (T, M, M)
        Places of projection and network.
    move : ndarray of bool, shape (T, 3, M, M)
        Moves of heads, projection, network.
    """

    mode: NDArray[np.bool_]
    both: NDArray[np.bool_]
    move: NDArray[np.bool_]


def modes_milp(instance: HeadMigrationInstance, modes: Modes | None = None, kept: Kept | None = None) -> Any:
    """Return the model over all intervals.

    Parameters
    ----------
    instance : HeadMigrationInstance
        H heads on M devices, T intervals.
    modes : Modes, optional
        Of the instance, where they are at hand.
    kept : Kept, optional
        What is stated; all by default.

    Returns
    -------
    pyomo.environ.ConcreteModel
        As `horizon_milp`, but for the heads' delay: binaries ``mode[t,p,k]``, projection on p and the k-th limit.

    Raises
    ------
    NotApplicableError
        Where there are too many modes.
    """
    import pyomo.environ as pyo

    size, heads = instance.cluster.size, instance.transformer.units
    most = instance.intervals * size * (size * heads - heads + 1)
    if kept is None and most > LARGEST_MODEL:
        raise NotApplicableError(f"a model lists up to {LARGEST_MODEL:,} modes; there are {most:,}")
    modes, costs = modes or modes_of(instance), head_costs(instance)
    listed = modes.useful() if kept is None else modes.useful() & kept.mode
    keys = [(int(t), int(p), int(k)) for t, p, k in np.argwhere(listed)]
    model = pyo.ConcreteModel(name=instance.name)
    model.instance, model.modes = instance, modes
    add_places(model, instance)
    memory_rows(model, instance)
    model.mode = pyo.Var(keys, domain=pyo.Binary)
    at: dict[tuple[int, int], list[Any]] = {}
    room: dict[tuple[int, int], list[Any]] = {}
    for (t, p, k), variable in model.mode.items():
        at.setdefault((t, p), []).append(variable)
        for j, most_heads in enumerate(modes.room(t, p, k).tolist()):
            if most_heads:
                room.setdefault((t, j), []).append(most_heads * variable)
    model.mode_of_proj = pyo.Constraint(
        model.intervals,
        model.devices,
        rule=lambda m, t, p: pyo.quicksum(at.get((t, p), [])) == m.proj[t, p],
    )
    model.within_limit = pyo.Constraint(
        model.intervals,
        model.devices,
        rule=lambda m, t, j: m.count[t, j] <= pyo.quicksum(room.get((t, j), [])),
    )
    following = add_following(model, costs, None if kept is None else kept.both)
    migration = add_moves(model, instance, instance.initial, None if kept is None else kept.move)
    delay = pyo.quicksum(float(modes.limit_s[key]) * variable for key, variable in model.mode.items())
    model.objective = pyo.Objective(expr=MILLISECONDS * (costs.weight * (delay + following) + migration))
    return stated(model, instance, "modes")


def start(model: Any, trajectory: Trajectory) -> None:
    """Set every variable to the value that the trajectory implies, as a warm start.

    Parameters
    ----------
    model : pyomo ConcreteModel
        As `modes_milp` builds it.
    trajectory : tuple of Interval
        T placements.
    """
    instance, modes = model.instance, model.modes
    start_places(model, instance, instance.initial, trajectory)
    chosen = []
    for t, now in enumerate(trajectory):
        counts = np.bincount(now.heads, minlength=instance.cluster.size)
        through_s = head_costs(instance).heads_s(t, counts, now.proj)
        after = np.searchsorted(modes.limit_s[t, now.proj], through_s, side="right")
        chosen.append((t, now.proj, int(after) - 1))
    for key, variable in model.mode.items():
        variable.set_value(int(key == chosen[key[0]]))
