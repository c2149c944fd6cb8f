"""simulate a pipeline at work: tokens per second, idle devices, a timeline as a picture"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from placewise.benchmarks import pictures
from placewise.cli import output
from placewise.cli.check import read_result
from placewise.cli.convert import add_instance_options, instance_of
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance, EdgeShardThroughput
from placewise.models.edgeshard.batch_placement import parts_of
from placewise.models.edgeshard.schedule import STRATEGIES, Schedule, simulate
from placewise.models.errors import PlacewiseError
from placewise.solvers import solve

if TYPE_CHECKING:
    import argparse

    from placewise.models.problem import Instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("instance", metavar="INSTANCE", help="of an EdgeShard problem: a path, - or a name")
    parser.add_argument(
        "--result", metavar="RESULT", help="take the placement of a result file (default: solve)"
    )
    parser.add_argument("--method", metavar="M", help="solve by this method")
    parser.add_argument(
        "--micro-batches",
        type=int,
        metavar="N",
        help="in flight (default: what the placement says, else 4 or as many as fit)",
    )
    parser.add_argument("--tokens", type=int, default=8, metavar="N", help="that each generates (default 8)")
    parser.add_argument(
        "--prompt-tokens", type=int, default=32, metavar="N", help="length of the prompts (default 32)"
    )
    parser.add_argument("--strategy", choices=STRATEGIES, help="default: all, one under the other")
    parser.add_argument(
        "--picture", metavar="F", help=f"write the timelines to a file: {', '.join(pictures.FORMATS)}"
    )
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Simulate, show, and draw."""
    if options.picture:
        pictures.require_format(options.picture)
    instance = instance_of(options, options.instance)
    if not isinstance(instance, EdgeShardInstance | EdgeShardBatch):
        raise PlacewiseError(f"{instance.name}: expected an instance of EdgeShard, found {instance.problem}")
    name, placement = instance.name, _placement(instance, options)
    sequences, checked = 1, isinstance(instance, EdgeShardBatch)
    if isinstance(instance, EdgeShardBatch):
        sequences = parts_of(placement)[1]
    else:
        instance = EdgeShardThroughput.of(instance)
    schedules = [
        simulate(
            instance,
            placement,
            micro_batches=options.micro_batches,
            tokens=options.tokens,
            prompt_tokens=options.prompt_tokens,
            strategy=strategy,
        )
        for strategy in ([options.strategy] if options.strategy else STRATEGIES)
    ]
    if options.picture:
        pictures.save(pictures.gantt(schedules), options.picture)
    if options.json:
        output.print_json(_document(name, schedules, sequences, checked))
    else:
        _show(name, schedules, sequences, checked)
    return output.SOLVED


def _placement(instance: Instance, options: argparse.Namespace) -> Any:
    if options.result:
        return read_result(instance, options.result)[0]
    result = solve(instance, options.method)
    if result.objective is None:
        raise PlacewiseError(f"{instance.name}: no placement to simulate: {result.status.value}")
    return result.placement


def _document(name: str, schedules: list[Schedule], sequences: int, checked: bool) -> dict[str, Any]:
    return {
        "format": "placewise-schedule/1",
        "instance": name,
        "caches_checked": checked,
        "schedules": [
            {
                "strategy": schedule.strategy,
                "micro_batches": schedule.micro_batches,
                "sequences_per_micro_batch": sequences,
                "tokens": schedule.tokens,
                "makespan_s": schedule.makespan_s,
                "tokens_per_s": schedule.tokens_per_s * sequences,
                "steady_tokens_per_s": schedule.steady_tokens_per_s * sequences,
                "busy": {device: schedule.busy(device) for device in schedule.devices},
                "tasks": [task._asdict() for task in schedule.tasks],
            }
            for schedule in schedules
        ],
    }


def _show(name: str, schedules: list[Schedule], sequences: int, checked: bool) -> None:
    console = Console(highlight=False, emoji=False)
    first = schedules[0]
    console.print(
        f"[bold]{escape(name)}[/bold]  {first.micro_batches} micro-batches of {sequences}, {first.tokens} tokens each",
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("")
    for schedule in schedules:
        table.add_column(schedule.strategy, justify="right")
    table.add_row("makespan", *(output.duration(schedule.makespan_s) for schedule in schedules))
    table.add_row(
        "tokens per second", *(f"{schedule.tokens_per_s * sequences:.4g}" for schedule in schedules)
    )
    table.add_row(
        "in the second half", *(f"{schedule.steady_tokens_per_s * sequences:.4g}" for schedule in schedules)
    )
    for device in first.devices:
        table.add_row(escape(f"{device} busy"), *(f"{schedule.busy(device):.0%}" for schedule in schedules))
    console.print(table)
    if not checked and first.micro_batches > 1:
        console.print(
            f"[dim]memory is what the instance reserves, whatever is in flight; edgeshard-batch with in_flight tells "
            f"the caches of {first.micro_batches} micro-batches apart[/dim]",
            soft_wrap=True,
        )
