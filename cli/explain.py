"""say why an instance has no placement, or what keeps its optimum from being better"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.solve import verdict
from placewise.models.registry import problem_of
from placewise.solvers.evidence.result import Status
from placewise.solvers.explanation.explain import explain

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from placewise.models.resources import Resource
    from placewise.solvers.explanation.explain import Explanation
    from placewise.solvers.explanation.inquiry import Effect

#: Rows of the table; the document has all.
LARGEST_ROWS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("instance", metavar="INSTANCE", help="a path, -, or a shipped name")
    parser.add_argument("--method", metavar="M", help="see: placewise methods (default: the best exact one)")
    parser.add_argument(
        "--change",
        type=float,
        default=1.25,
        metavar="F",
        help="factor by which each resource grows and shrinks (default 1.25)",
    )
    parser.add_argument(
        "--time-limit", type=float, default=60.0, metavar="S", help="seconds for all questions (default 60)"
    )
    output.add_json_option(parser)
    add_instance_options(parser)


def run(options: argparse.Namespace) -> int:
    """Explain, show, and return the exit status of the instance."""
    instance = instance_of(options, options.instance)
    with output.live_progress(instance.name) as progress:
        explanation = explain(
            instance,
            options.method,
            change=options.change,
            time_limit=options.time_limit,
            progress=progress.start,
        )
    if options.json:
        output.print_json(explanation.to_json())
    else:
        show(explanation, options.change)
    return output.exit_status(explanation.result)


def show(explanation: Explanation, change: float) -> None:
    """Print an explanation for people."""
    console, result = output.table_console(), explanation.result
    title = f"[bold]{escape(result.instance.name)}[/bold]  {problem_of(result.instance).title}"
    console.print(title, soft_wrap=True)
    console.print(verdict(result), soft_wrap=True)
    if explanation.reason is not None:
        _show_reason(console, explanation, explanation.reason)
    if result.objective is not None:
        tied = ", ".join(resource.title for resource in explanation.binding) or "nothing"
        console.print(f"\nbinding: {escape(tied)}", soft_wrap=True)
        _show_effects(console, explanation.effects, change)
    if not explanation.complete:
        console.print("[yellow]not all was tried: the time was up, or it was interrupted[/yellow]")


def _show_reason(console: Console, explanation: Explanation, reason: list[Resource]) -> None:
    if not reason:
        console.print("\nno limit on memory, links or errors is the reason")
        return
    repairs = {effect.resource: effect.factor for effect in explanation.repairs}
    together = "these together leave no placement; without any one of them there is one"
    console.print("\nthis alone leaves no placement" if len(reason) == 1 else f"\n{together}")
    for resource in reason:
        repair = ""
        if resource in repairs:
            repair = f"enough alone: {_amount(resource, repairs[resource])}"
        now = "missing" if resource.kind == "link" else _amount(resource, 1.0)
        console.print(f"  {escape(resource.title):40} {now:>12}   {repair}", soft_wrap=True)


def _amount(resource: Resource, factor: float) -> str:
    if math.isinf(factor):
        return "a link" if resource.kind == "link" else "no limit"
    if resource.amount is None:
        return f"x {factor:.3g}"
    value = resource.amount * factor
    return output.size(math.floor(value)) if resource.kind == "memory" else f"{value:.4g}"


def _show_effects(console: Console, effects: list[Effect], change: float) -> None:
    rows: dict[str, dict[float, Effect]] = {}
    for effect in effects:
        rows.setdefault(effect.resource.title, {})[effect.factor] = effect
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("what if", no_wrap=True)
    for column in (f"x {change:.4g}", f"/ {change:.4g}"):
        table.add_column(column, justify="right", no_wrap=True)
    telling = [
        (title, found)
        for title, found in rows.items()
        if any(effect.change != 0.0 for effect in found.values())
    ]
    for title, found in telling[:LARGEST_ROWS]:
        more = next((effect for factor, effect in found.items() if factor > 1), None)
        less = next((effect for factor, effect in found.items() if factor < 1), None)
        unlike = "" if more is None or more.factor == change else _plenty(more.factor)
        table.add_row(escape(title + unlike), _effect(more), _effect(less))
    console.print(table)
    silent = len(rows) - len(telling)
    if silent:
        console.print(f"[dim]no effect of {silent} others[/dim]")


def _plenty(factor: float) -> str:
    return " without limit" if math.isinf(factor) else f" x {factor:.4g}"


def _effect(effect: Effect | None) -> str:
    if effect is None:
        return ""
    if effect.status is None:
        return "refused"
    if effect.change is None:
        return effect.status.value
    if effect.change == 0.0:
        return "no change"
    mark = "" if effect.status is Status.OPTIMAL else "up to "
    return f"{mark}{output.duration(effect.objective)} {effect.change:+.1%}"
