"""Predicted against measured: tables in Markdown, and a picture."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.runtime.fit import DATA_SHEET, Belief, errors, fitted, predicted_s
from placewise.benchmarks.runtime.machines import Machine

if TYPE_CHECKING:
    from pathlib import Path

#: The fit sees every third placement.
FITTED_ON = 3


def read(records: Path) -> list[dict[str, Any]]:
    """Return a row for each placement: repetitions of all rounds together, the median as what was measured.

    Parameters
    ----------
    records : Path
        JSON lines.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for line in records.read_text().splitlines():
        record = json.loads(line)
        key = (record["cluster"], record["name"])
        row = rows.setdefault(key, record | {"all_s": []})
        row["all_s"] += record["times_s"]
    for row in rows.values():
        row["measured_s"] = median(row["all_s"])
        row["machines"] = [Machine(**machine) for machine in row["machines"]]
    return list(rows.values())


def beliefs(rows: list[dict[str, Any]], model: Path, tokens: int) -> dict[str, Belief]:
    """Return the beliefs that are compared, the last one fitted on every third row.

    Parameters
    ----------
    rows : list of dict
        As `read` gives them.
    model : Path
        The GGUF file.
    tokens : int
        Of the cache.
    """
    rates = rows[0]["rates"]
    third = [(row["machines"], tuple(row["placement"]), row["measured_s"]) for row in rows[::FITTED_ON]]
    return {
        "data sheet": Belief(DATA_SHEET, routed=False),
        "data sheet, all sent": Belief(DATA_SHEET, routed=True),
        "profile": Belief(rates, routed=False),
        "profile, all sent": Belief(rates, routed=True),
        "fitted": fitted(Belief(rates, routed=True), model, third, tokens),
    }


def report(records: Path, model: Path, folder: Path, tokens: int) -> None:
    """Write ``table.md`` and ``picture.svg``.

    Parameters
    ----------
    records, model, folder : Path
        What was measured, the GGUF file, and where to write.
    tokens : int
        Of the cache.
    """
    rows = read(records)
    known = beliefs(rows, model, tokens)
    for row in rows:
        row["predicted_s"] = {
            name: predicted_s(belief.instance(model, row["machines"], tokens), tuple(row["placement"]))
            for name, belief in known.items()
        }
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_placements(rows, list(known)), "", *_errors(rows, list(known)), "", *_winners(rows)]
    fit = known["fitted"]
    profiled, factor = rows[0]["rates"]["memory_bytes_per_s"], fit.rates["memory_bytes_per_s"]
    lines += ["", f"a core reads {profiled / 1e9:.3g} GB/s as profiled, {factor / 1e9:.3g} as fitted; "]
    lines[-1] += f"{fit.layer_overhead_s * 1e6:.3g} us per layer, {fit.hop_overhead_s * 1e6:.3g} us per hop"
    (folder / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    _picture(rows, ["data sheet", "profile, all sent", "fitted"], folder / "predicted-measured.svg")


def _placements(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    lines = [f"| cluster | placement | layers | measured | {' | '.join(names)} |"]
    lines.append("|---|---|---|" + "---|" * (1 + len(names)))
    for row in sorted(rows, key=lambda row: (row["cluster"], row["measured_s"])):
        told = [f"{row['predicted_s'][name] * 1e3:.1f}" for name in names]
        lines.append(
            f"| {row['cluster']} | {row['name']} | {_runs(row)} | {row['measured_s'] * 1e3:.1f} | {' | '.join(told)} |"
        )
    return lines


def _runs(row: dict[str, Any]) -> str:
    placement, names = row["placement"], [machine.name for machine in row["machines"]]
    order = list(dict.fromkeys(placement))
    return ", ".join(f"{names[device]} {placement.count(device)}" for device in order)


def _errors(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    lines = ["| rates | mean error | worst | bias | pairs in the right order |", "|---|---|---|---|---|"]
    for name in names:
        seen = [row for n, row in enumerate(rows) if name != "fitted" or n % FITTED_ON]
        found = errors([row["predicted_s"][name] for row in seen], [row["measured_s"] for row in seen])
        lines.append(
            f"| {name} | {found['mean']:.1%} | {found['worst']:.1%} | {found['bias']:+.1%} | {found['order']:.1%} |"
        )
    return lines


def _winners(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| cluster | best measured | optimum, all sent | optimum, plain | equal | by memory | servers by memory |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for cluster in dict.fromkeys(row["cluster"] for row in rows):
        here = {row["name"]: row["measured_s"] for row in rows if row["cluster"] == cluster}
        best = min(here, key=here.__getitem__)
        told = [f"{here[name] * 1e3:.1f} ms ({here[name] / here[best] - 1:+.0%})" for name in _COMPARED]
        lines.append(f"| {cluster} | {best}, {here[best] * 1e3:.1f} ms | {' | '.join(told)} |")
    return lines


_COMPARED = ("optimum, all sent", "optimum, plain", "equal", "by memory", "servers by memory")


def _picture(rows: list[dict[str, Any]], names: list[str], target: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for name, colour, sign in zip(names, ("#D55E00", "#56B4E9", "#009E73"), ("x", "o", "s"), strict=True):
        xs = [row["measured_s"] * 1e3 for row in rows]
        ys = [row["predicted_s"][name] * 1e3 for row in rows]
        axes.scatter(xs, ys, s=22, marker=sign, color=colour, label=name, linewidths=1)
    ends = [min(row["measured_s"] for row in rows) * 800, max(row["measured_s"] for row in rows) * 1100]
    axes.plot(ends, ends, color="#999999", linewidth=1, zorder=0)
    axes.set(xlabel="measured, ms per token", ylabel="predicted, ms per token")
    axes.legend(frameon=False)
    figure.savefig(target, metadata={"Date": None})
