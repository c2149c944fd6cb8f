"""Whether methods differ by more than chance: ranks over the instances that they share, Friedman's and Nemenyi's tests.

Sources: Friedman (1937); Nemenyi (1963); critical-difference diagrams, Demšar (2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.pictures import figure, plain
from placewise.benchmarks.report.tables import shared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from placewise.benchmarks.report.tables import Row

#: With fewer instances no difference can be told from chance.
FEWEST_INSTANCES = 6
#: Of a wrong "they differ".
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Ranking:
    """Methods ranked on the instances that they share.

    Parameters
    ----------
    by : str
        ``gap`` or ``time``.
    methods : list of str
        K methods.
    scores : ndarray, shape (I, K)
        Per instance, less is better; infinite without a placement, or without a proof where times are compared.
    p_value : float
        Friedman's: how likely such ranks are if the methods do not differ.
    """

    by: str
    methods: list[str]
    scores: NDArray[np.float64]
    p_value: float

    @property
    def ranks(self) -> dict[str, float]:
        """The mean rank of each method, the best first."""
        from scipy.stats import rankdata

        means = rankdata(self.scores, axis=1).mean(axis=0)
        return dict(sorted(zip(self.methods, map(float, means), strict=True), key=lambda pair: pair[1]))

    def pairs(self) -> Any:
        """Return Nemenyi's p-values as a DataFrame, methods by methods."""
        import pandas as pd
        import scikit_posthocs
        from scipy.stats import rankdata

        ranks = pd.DataFrame(rankdata(self.scores, axis=1), columns=self.methods)
        return scikit_posthocs.posthoc_nemenyi_friedman(ranks)


def ranking(rows: list[Row], by: str) -> Ranking | None:
    """Return methods ranked by gap or by time to a proof; None where there is nothing to tell.

    Parameters
    ----------
    rows : list of Row
        Runs of one problem.
    by : str
        ``gap`` or ``time``.
    """
    from scipy.stats import friedmanchisquare

    if by == "time":  # what proves nothing has no time
        proving = {row.record.method for row in rows if row.proven}
        rows = [row for row in rows if row.record.method in proving]
    common = shared(rows)
    methods = list(dict.fromkeys(row.record.method for row in common))
    of: dict[str, dict[str, float]] = {}
    for row in common:
        value = row.gap if by == "gap" else row.record.seconds if row.proven else None
        of.setdefault(row.record.instance_sha256, {})[row.record.method] = np.inf if value is None else value
    if len(methods) < 3 or len(of) < FEWEST_INSTANCES:
        return None
    scores = np.array([[each[method] for method in methods] for each in of.values()])
    if (scores == scores[:, :1]).all():
        return None
    # Ranks are what the test sees; infinities would make differences that are no numbers.
    order = np.unique(scores, return_inverse=True)[1].reshape(scores.shape)
    return Ranking(by, methods, scores, float(friedmanchisquare(*order.T).pvalue))


def critical_difference(found: Ranking) -> Any:
    """Draw mean ranks on a line; a bar joins methods that cannot be told apart.

    Parameters
    ----------
    found : Ranking
        K methods on I instances.
    """
    import scikit_posthocs

    drawing, (axes,) = figure(5.0, 0.8 + 0.22 * len(found.methods))
    scikit_posthocs.critical_difference_diagram(
        {plain(name): rank for name, rank in found.ranks.items()},
        found.pairs().rename(index=plain, columns=plain),
        ax=axes,
        label_props={"fontsize": 9},
    )
    return drawing
