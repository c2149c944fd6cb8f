"""throughput against the time per token: the best within each limit, proven, as a table and a picture"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from placewise.benchmarks import pictures
from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.rules import with_rules
from placewise.models.edgeshard import EdgeShardBatch
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.errors import PlacewiseError
from placewise.solvers.frontier import Point, frontier

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "instance",
        metavar="INSTANCE",
        help="of edgeshard-batch; with --cluster a model's config.json or GGUF file",
    )
    parser.add_argument("--points", type=int, default=8, metavar="N", help="limits on the way (default 8)")
    parser.add_argument("--limits", metavar="S,S", help="seconds per token, instead of these")
    parser.add_argument(
        "--in-flight",
        type=int,
        metavar="N",
        help="micro-batches in flight at most, where the instance has none",
    )
    parser.add_argument("--picture", metavar="F", help=f"draw it: {', '.join(pictures.FORMATS)}")
    add_instance_options(parser)
    output.add_solve_options(parser)


def run(options: argparse.Namespace) -> int:
    """Solve each point, show and draw them; return 4 where one is not proven."""
    if options.picture:
        pictures.require_format(options.picture)
    options.problem = options.problem or ("edgeshard-batch" if options.cluster else None)
    instance = with_rules(instance_of(options, options.instance), options)
    if not isinstance(instance, EdgeShardBatch):
        raise PlacewiseError(f"{instance.name}: expected edgeshard-batch, found {instance.problem}")
    if options.in_flight is not None:
        instance = replace(instance, in_flight=options.in_flight)
    limits = None if options.limits is None else _limits(options.limits)
    found = frontier(instance, points=options.points, limits_s=limits, **output.solve_options(options))
    if options.picture and found:
        pictures.save(picture(instance.name, found), options.picture)
    if options.json:
        output.print_json(_document(instance, found))
    else:
        _show(instance.name, found)
    if not found:
        return output.INFEASIBLE
    return output.SOLVED if all(point.result.proven for point in found) else output.LIMIT


def _limits(text: str) -> list[float]:
    try:
        limits = [float(part) for part in text.split(",")]
    except ValueError:
        raise PlacewiseError(f"--limits: expected seconds separated by commas, found {text!r}") from None
    if not all(limit > 0 for limit in limits):
        raise PlacewiseError(f"--limits: expected seconds above 0, found {text!r}")
    return limits


def picture(name: str, found: list[Point]) -> Any:
    """Return the frontier as a figure: tokens per second over the time per token, and the bound where it is another.

    Parameters
    ----------
    name : str
        Of the instance.
    found : list of Point
        From the tightest limit on.
    """
    series: dict[str, dict[float, float]] = {"proven": {}, "found": {}, "not exceeded": {}}
    for point in found:
        between_s, rate, most = point.between_s, point.tokens_per_s, point.most_tokens_per_s
        if between_s is None or rate is None:
            continue
        if point.result.proven:
            series["proven"][between_s] = rate
            continue
        series["found"][between_s] = rate
        if most is not None:
            series["not exceeded"][between_s] = most
    return pictures.lines(
        {key: dict(sorted(values.items())) for key, values in series.items() if values},
        title=f"{name}: throughput and time per token",
        x_label="seconds that a sequence waits for its next token",
        y_label="tokens per second, all sequences",
    )


def _document(instance: EdgeShardBatch, found: list[Point]) -> dict[str, Any]:
    return {
        "format": "placewise-frontier/1",
        "instance": instance.name,
        "points": [
            {
                "limit_s": point.limit_s,
                "time_per_token_s": point.between_s,
                "tokens_per_s": point.tokens_per_s,
                "result": point.result.to_json(),
            }
            for point in found
        ],
    }


def _show(name: str, found: list[Point]) -> None:
    console = output.table_console()
    table = Table(title=escape(name), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("limit per token", "takes", "tokens/s", "in flight", "batch", "devices", "status", "gap"):
        table.add_column(column, justify="left" if column == "status" else "right")
    for point in found:
        limit = "none" if point.limit_s is None else output.duration(point.limit_s)
        result, rate = point.result, point.tokens_per_s
        cells = ["-"] * 5
        if rate is not None:
            number, size, layers = parts_of(result.placement)
            cells = [
                output.duration(point.between_s),
                f"{rate:.4g}",
                str(number),
                str(size),
                str(len(set(layers))),
            ]
        table.add_row(limit, *cells, result.status.value, output.percent(result.relative_gap))
    console.print(table)
