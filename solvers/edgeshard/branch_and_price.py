"""Labels and branch and price in turns: either may prove an instance long before the other.

`labels` come first, and find the first placements. Where memory is tight and devices are few they prove what mixtures of
paths leave open; where devices are many it is the other way round. So neither is chosen: from then on the tree
(`visit_branching`) and the labels take turns, each about as long as all before it, with the other's placements and bounds.
That costs a small multiple of what the better one takes alone, whichever that is.

Source: portfolios of algorithms, Huberman, Lukose and Hogg (1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placewise.solvers.edgeshard.labels import LARGEST_COUNT, LabelSearch
from placewise.solvers.edgeshard.visit_branching import VisitBranching
from placewise.solvers.evidence.result import Reason

if TYPE_CHECKING:
    from placewise.models.edgeshard import EdgeShardInstance
    from placewise.solvers.evidence.result import Claim
    from placewise.solvers.execution.context import Context

#: Labels before the tree.
LABELS = 20_000
#: The share of the time that the local search before them may take.
CHAIN_SHARE = 0.15
#: The length of a turn of labels, in all the time before it; one of the tree is as long as that.
LABELS_SHARE = 0.25
#: The least seconds of a turn.
TURN_S = 1.0


def run(instance: EdgeShardInstance, context: Context) -> Claim:
    """Search labels and the tree of an instance.

    Parameters
    ----------
    instance, context : EdgeShardInstance, Context
        What is solved; options, clock and reports.
    """
    labels = LabelSearch(instance, context, LABELS, CHAIN_SHARE)
    claim = labels.search()
    if claim.reason is not Reason.LIMIT:
        return claim
    labels.most = LARGEST_COUNT
    tree = VisitBranching(instance, context)
    _tell(tree, claim)
    tree.begin()
    while tree.open and context.remaining:
        tree.grow(_turn_s(context, 1.0))
        if tree.open and len(labels.tree) <= LARGEST_COUNT:
            if tree.best is not None:
                labels.offer(tree.best, tree.upper_s)
            claim = labels.search(_turn_s(context, LABELS_SHARE))
            if claim.reason is not Reason.LIMIT:
                return claim
            _tell(tree, claim)
    message = f"{tree.solved:,} nodes, {len(tree.master.paths):,} paths, {labels.expanded:,} labels"
    return tree.claim(message)


def _turn_s(context: Context, share: float) -> float:
    """Return when a turn that begins now ends: after a share of the time so far."""
    return context.elapsed + max(share * context.elapsed, TURN_S)


def _tell(tree: VisitBranching, claim: Claim) -> None:
    """Tell the tree what labels know."""
    tree.known_s = max(tree.known_s, -np.inf if claim.dual_bound is None else claim.dual_bound)
    if claim.placement is not None:
        tree.offer(tuple(claim.placement))
