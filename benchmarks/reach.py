"""How far each problem is solved: cost by devices and by layers, ours beside solvers on the plain statements.

``python -m placewise.benchmarks.reach --output reach --time-limit 60 --picture reach.svg``

Each ladder grows one size of a generated instance. All methods solve a rung before the next one, and a method leaves
a ladder at the first rung that it does not prove within the limit. Runs are the harness' records: what is done stays
done, and ``placewise report`` shows them too.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.harness.record_file import RecordFile
from placewise.benchmarks.harness.records import Record
from placewise.benchmarks.harness.runner import all_conflicts, perform_run
from placewise.benchmarks.harness.suites import RunSpec, load_instance
from placewise.benchmarks.heads_scaling import BURSTS
from placewise.benchmarks.pictures import COLOURS, figure, require_format, save
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_named
from placewise.solvers.evidence.result import Status
from placewise.solvers.registry import default_method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OURS = "placewise"
#: Columns of the table: the default method, and back-ends on a problem's first statement.
METHODS = {OURS: "", "CP-SAT": "cp-sat", "HiGHS": "highs", "SCIP": "scip", "CBC": "cbc"}
#: Seconds below which times are drawn as this.
LEAST_S = 0.03
#: Seconds of a first run that does not count.
WARM_S = 1.0
MODELS = {34: "llama2-7b", 42: "llama2-13b", 82: "llama2-70b"}


@dataclass(frozen=True)
class Ladder:
    """Instances of a family that grow in one size.

    Parameters
    ----------
    problem, family : str
        Of the generator.
    axis : str
        What grows, in words.
    rungs : dict of int to dict
        Size to the generator's options for it.
    fixed : dict
        Options of all rungs.
    """

    problem: str
    family: str
    axis: str
    rungs: dict[int, dict[str, Any]]
    fixed: dict[str, Any]

    @property
    def title(self) -> str:
        """Name of the ladder, as records have it."""
        return f"{self.problem}, {self.axis}"

    def source(self, size: int, seed: int) -> dict[str, Any]:
        """Return a rung's instance as a run specifies it."""
        options = self.fixed | self.rungs[size]
        return {"problem": self.problem, "family": self.family, "options": options, "seed": seed}


def by(option: str, *sizes: int) -> dict[int, dict[str, Any]]:
    """Return rungs that grow in one option."""
    return {size: {option: size} for size in sizes}


def _ladders() -> Iterator[Ladder]:
    for problem in ("edgeshard-latency", "edgeshard-throughput"):
        devices = by("devices", 4, 8, 15, 30, 60, 120, 240, 480, 960)
        yield Ladder(problem, "testbed", "devices", devices, {"model": "llama2-7b"})
        layers = by("layers", 6, 12, 24, 48, 96, 192, 384)
        yield Ladder(problem, "tight", "layers, all different", layers, {"devices": 6, "memory_factor": 1.5})
    devices = by("devices", 4, 8, 15, 30, 60, 120, 240)
    yield Ladder("edgeshard-batch", "testbed", "devices", devices, {"model": "llama2-7b"})
    models = {size: {"model": name} for size, name in MODELS.items()}
    yield Ladder("edgeshard-batch", "testbed", "layers", models, {"devices": 15})
    opt = {"bound": "layer", "min_mbps": 1.0}
    servers = by("servers", 3, 5, 10, 20, 40, 80)
    yield Ladder("dilemma", "opt", "devices", servers, opt | {"layers": 12})
    layers = by("layers", 6, 12, 24, 48, 96, 192)
    yield Ladder("dilemma", "opt", "layers", layers, opt | {"servers": 5})
    heads = BURSTS | {"heads": 8, "embedding_dim": 512}
    devices = by("devices", 3, 6, 12, 24, 48, 96)
    yield Ladder("head-migration", "network", "devices", devices, heads | {"intervals": 5})
    intervals = by("intervals", 1, 4, 16, 64, 256)
    yield Ladder("head-migration", "network", "intervals", intervals, heads | {"devices": 5})
    decoder = {"heads": 4, "embedding_dim": 256, "intervals": 2}
    devices = by("devices", 2, 3, 5, 10, 20)
    yield Ladder("head-migration-decoder", "network", "devices", devices, decoder | {"layers": 2})
    layers = by("layers", 1, 2, 4, 8, 16)
    yield Ladder("head-migration-decoder", "network", "layers", layers, decoder | {"devices": 3})
    nodes = by("nodes", 6, 12, 24, 48, 96)
    yield Ladder("replicated-throughput", "clusters", "devices", nodes, {"layers": 24})
    layers = by("layers", 12, 24, 48, 96)
    yield Ladder("replicated-throughput", "clusters", "layers", layers, {"nodes": 24})
    for problem in ("graph-throughput", "graph-latency"):
        devices = by("devices", 2, 4, 8, 16)
        yield Ladder(problem, "branches", "devices", devices, {"nodes": 24})
        nodes = by("nodes", 8, 16, 32, 64, 128, 256)
        yield Ladder(problem, "branches", "nodes", nodes, {"devices": 3})


LADDERS = tuple(_ladders())
#: By method's column: its records by size, in the order of the rungs.
Series = dict[str, dict[int, Record]]


def proves(record: Record) -> bool:
    """Return whether a run ended with a proof."""
    return record.status in (Status.OPTIMAL, Status.INFEASIBLE)


def climb(file: RecordFile, ladder: Ladder, *, time_limit: float, threads: int | None, seed: int) -> Series:
    """Perform what is not done yet of a ladder, and return all of its records.

    Parameters
    ----------
    file : RecordFile
        Where records are, and go.
    ladder : Ladder
        What grows.
    time_limit : float
        Seconds per run; a method that proves nothing in it does not climb further.
    threads : int or None
        Of a solver; None leaves it to the solver.
    seed : int
        Of the instances.
    """
    series: Series = {column: {} for column in METHODS}
    for size in ladder.rungs:
        source = ladder.source(size, seed)
        for column, method in METHODS.items():
            below = list(series[column].values())
            if below and not proves(below[-1]):
                continue
            run = RunSpec(
                group=ladder.title,
                instance=source,
                method=method or default_method(load_instance(source)).name,
                seed=0,
                time_limit=time_limit,
                relative_gap=1e-6,
                threads=threads,
                memory_limit_bytes=None,
            )
            if run.key not in file.records:
                if run.method not in {record.method for record in below}:  # it imports, which no size costs
                    perform_run(replace(run, time_limit=min(time_limit, WARM_S)), "reach")
                file.append(perform_run(run, "reach"))
            record = series[column][size] = file.records[run.key]
            status = record.document["status"]
            line = f"{ladder.title} {size}: {column} ({run.method}) {status}, {record.seconds:.2f} s"
            print(line, file=sys.stderr, flush=True)
    return series


def cell(ladder: Ladder, series: Series, column: str) -> str:
    """Return how far a method came: the largest size that it proved, its seconds, and the ratio to ours there."""
    proven = {size: record for size, record in series[column].items() if proves(record)}
    if not proven:
        refused = any(record.status is None for record in series[column].values())
        return "does not apply" if refused else "none"
    size = max(proven)
    end = "≥ " if size == max(ladder.rungs) else ""
    seconds, ours = proven[size].seconds, series[OURS].get(size)
    ratio = ""
    if column != OURS and ours is not None and proves(ours):
        ratio = f", {seconds / max(ours.seconds, 1e-3):.2g} x"
    return f"{end}{size} ({seconds:.2g} s{ratio})"


def table(found: Sequence[tuple[Ladder, Series]]) -> list[str]:
    """Return a Markdown table, a line per ladder."""
    lines = [f"| problem | grows | {' | '.join(METHODS)} |", f"|---|---|{'---:|' * len(METHODS)}"]
    for ladder, series in found:
        cells = " | ".join(cell(ladder, series, column) for column in METHODS)
        fixed = ", ".join(
            f"{key.replace('_', ' ')} {value}"
            for key, value in ladder.fixed.items()
            if key in ("devices", "servers", "layers", "nodes", "intervals", "model")
        )
        lines.append(f"| `{ladder.problem}` | {ladder.axis} ({fixed}) | {cells} |")
    return lines


def picture(found: Sequence[tuple[Ladder, Series]], time_limit: float) -> Any:
    """Draw seconds over size, a panel per ladder: a cross is a run that the limit ended."""
    columns = 2 if len(found) > 1 else 1
    rows = -(-len(found) // columns)
    drawing, panels = figure(3.7 * columns, 0.5 + 1.75 * rows, rows, columns)
    for axes, (ladder, series) in zip(panels, found, strict=False):
        for number, (column, records) in enumerate(series.items()):
            style = {"color": COLOURS[(0, 1, 2, 3, 5)[number]], "linewidth": 2.2 if column == OURS else 1.1}
            cost_s = {
                size: max(record.seconds, LEAST_S) if proves(record) else time_limit
                for size, record in records.items()
                if record.status is not None
            }
            axes.plot(list(cost_s), list(cost_s.values()), label=column, zorder=3 - number / 10, **style)
            for size, seconds in cost_s.items():
                ended = not proves(records[size])
                axes.plot(size, seconds, marker="x" if ended else "osv^D"[number], markersize=5, **style)
        axes.axhline(time_limit, color="#999999", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", yscale="log", ylabel="seconds", ylim=(LEAST_S, 1.6 * time_limit))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(f"{ladder.problem}: {ladder.axis}", fontsize=8, loc="left")
        axes.set_xticks(list(ladder.rungs), [str(size) for size in ladder.rungs], fontsize=7)
        axes.tick_params(axis="y", labelsize=7)
        axes.yaxis.label.set_fontsize(7)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=8, frameon=False)
    return drawing


def main() -> int:
    """Climb all ladders, print the table, draw the picture; 1 if two methods contradict each other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--output", default="reach", metavar="DIR", help="folder of the records (default reach)"
    )
    parser.add_argument("--problems", metavar="A,B", help="of these only")
    parser.add_argument("--time-limit", type=float, default=60.0, metavar="S", help="per run (default 60)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of a solver (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the instances (default 1)")
    parser.add_argument("--picture", metavar="F", help="draw it, as SVG, PNG or PDF")
    options = parser.parse_args()
    try:
        names = (
            {problem_named(name).name for name in options.problems.split(",")} if options.problems else None
        )
        if not options.time_limit > 0:
            raise PlacewiseError(f"--time-limit: expected seconds > 0, found {options.time_limit:g}")
        if options.picture:
            require_format(options.picture)
        found = []
        with RecordFile(Path(options.output)) as file:
            for ladder in LADDERS:
                if names is None or ladder.problem in names:
                    limits = {"time_limit": options.time_limit, "threads": options.threads}
                    found.append((ladder, climb(file, ladder, **limits, seed=options.seed)))
        print("\n".join(table(found)))
        if options.picture:
            save(picture(found, options.time_limit), options.picture)
    except PlacewiseError as error:
        print(f"reach: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reach: interrupted; what is done stays done", file=sys.stderr)
        return 130
    conflicts = all_conflicts(
        record for _, series in found for kept in series.values() for record in kept.values()
    )
    for record, conflict in conflicts:
        print(f"conflict, {conflict.kind}, {record.instance}: {conflict.message}", file=sys.stderr)
    return bool(conflicts)


if __name__ == "__main__":
    raise SystemExit(main())
