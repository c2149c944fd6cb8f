"""solve one instance and show the placement with its proof"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from placewise.benchmarks.drawings.registry import picture_of
from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.evidence import add_evidence_options, confirm, require_targets, save
from placewise.cli.runtimes import add_runtime_options, planned, settings_of, show_plan
from placewise.cli.streams import reader_may_leave
from placewise.instances.files import require_writable
from placewise.models.edgeshard.data import EdgeShardInstance
from placewise.models.edgeshard.rules import CONTIGUOUS
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers import solve as solve_instance
from placewise.solvers.evidence.result import Status, VerifiedResult
from placewise.solvers.evidence.shown import stopped
from placewise.solvers.execution.forked import prepare
from placewise.solvers.execution.task import COMMON
from placewise.solvers.solve import InterruptedResult, resolved

if TYPE_CHECKING:
    import argparse

    from placewise.instances.runtimes import Plan


#: Seconds for the question what returning to a device would save.
RETURNING_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "instance",
        metavar="INSTANCE",
        help="a path, - for standard input, or a shipped name; with --cluster a model's folder, config.json or GGUF file",
    )
    parser.add_argument("--method", metavar="M", help="see: placewise methods (default: the best exact one)")
    parser.add_argument(
        "--warm-start", metavar="RESULT", help="a result file whose placement the solver starts from"
    )
    parser.add_argument(
        "--picture", metavar="F", help="draw the placement over its network (.svg, .png, .pdf or .html)"
    )
    add_evidence_options(parser)
    add_runtime_options(parser, required=False)
    add_instance_options(parser)
    output.add_solve_options(parser)


def run(options: argparse.Namespace) -> int:
    """Solve, show, and return the exit status."""
    _require_picture(options)
    require_targets(options)
    settings_of(options, options.instance)
    instance = instance_of(options, options.instance)
    settings = output.solve_options(options)
    if options.warm_start:
        from placewise.cli.check import read_result

        settings["warm_start"] = read_result(instance, options.warm_start)[0]
    interrupted = False
    method = resolved(instance, options.method)
    prepare(COMMON + method.imports)  # before what is shown has a thread
    with output.live_progress(instance.name) as progress:
        try:
            result = solve_instance(instance, method, progress=progress, **settings)
        except InterruptedResult as stop:  # what was found until then is shown and written all the same
            result, interrupted = stop.result, True
    document = result.to_json() | ({} if interrupted else confirm(result, options, settings))
    returning = None
    if options.cluster and not options.contiguous and not interrupted:
        returning = _returning(result, options.time_limit)
    if returning is not None:
        document["returning"] = {"status": returning.status.value, "objective": returning.objective}
    plan, refusal = _plan(result, document, options)
    with reader_may_leave():
        if options.json:
            output.print_json(document if plan is None else document | {"plan": plan.to_json()})
        else:
            show(result)
            if options.cluster and getattr(
                instance, "description", ""
            ):  # cache, context, and what was left out
                print(f"\n{instance.description}")
            if returning is not None:
                print(told_of_returning(result, returning))
            if plan is not None:
                print()
                show_plan(plan)
    save(result, document, options)  # last: if the disk is full by now, the result is at least on the screen
    if options.picture and result.objective is not None:
        from placewise.benchmarks.drawings import network

        network.save(result, options.picture)
    if refusal is not None:
        raise refusal
    return output.INTERRUPTED if interrupted else output.exit_status(result)


def _require_picture(options: argparse.Namespace) -> None:
    """Check what is drawn at the end before hours of work."""
    if options.picture:
        from placewise.benchmarks.drawings import network

        network.require_format(options.picture)
        require_writable(options.picture)


def _plan(
    result: VerifiedResult, document: dict[str, Any], options: argparse.Namespace
) -> tuple[Plan | None, PlacewiseError | None]:
    """Return what the runtime is told, or why it cannot run the placement: the result is shown all the same."""
    if options.runtime is None or result.objective is None:
        return None, None
    try:
        return planned(document, options, options.instance), None
    except PlacewiseError as error:
        return None, error


def _returning(result: VerifiedResult, time_limit: float) -> VerifiedResult | None:
    """Return the best where devices may be returned to; None where the result has no contiguous placement."""
    instance = result.instance
    if CONTIGUOUS not in problem_of(instance).options(instance) or result.objective is None:
        return None
    assert isinstance(instance, EdgeShardInstance)
    asked = replace(instance, rules=replace(instance.rules, contiguous=False))
    return solve_instance(asked, time_limit=min(time_limit, RETURNING_S), warm_start=result.placement)


def told_of_returning(result: VerifiedResult, returning: VerifiedResult) -> str:
    """Return one line: what a placement that returns to a device would save."""
    value, other = result.objective or 0.0, returning.objective or 0.0
    known = "proven" if returning.proven else f"of what {RETURNING_S:g} s found"
    if not other < value:
        return f"each device hosts one run of layers; to return to one would save nothing, {known}"
    return (
        f"each device hosts one run of layers; to return to one would save {output.percent((value - other) / value)} "
        f"({output.duration(other)}, {known}): --returning, where a runtime can"
    )


def show(result: VerifiedResult) -> None:
    """Print a result for people."""
    console = Console(highlight=False, emoji=False)
    problem = problem_of(result.instance)
    console.print(f"[bold]{escape(result.instance.name)}[/bold]  {problem.title}", soft_wrap=True)
    console.print(verdict(result), soft_wrap=True)
    told = "; ".join(stopped(result))
    if told:
        console.print(escape(told), soft_wrap=True)
    for conflict in result.conflicts:
        console.print(f"[red]conflict, {conflict.kind}: {escape(conflict.message)}[/red]", soft_wrap=True)
    for violation in result.violations:
        console.print(
            f"[red]violated, {violation.constraint}: {escape(violation.message)}[/red]", soft_wrap=True
        )
    if result.objective is not None:
        console.print()
        picture_of(result.instance).draw(console, result.instance, result.placement)
        terms = ", ".join(f"{name} {output.duration(value)}" for name, value in result.terms.items() if value)
        console.print(f"\n{terms}", soft_wrap=True)
        figures = result.figures
        if "time_to_first_token_s" in figures:
            first, later = (
                output.duration(figures[key]) for key in ("time_to_first_token_s", "time_per_token_s")
            )
            told = f"first token after {first} (prompt of {figures['prompt_tokens']}), then {later} per token"
            console.print(told, soft_wrap=True)
        left_out = ", ".join(problem.left_out(result.instance))
        if left_out:
            console.print(f"[dim]the times leave out {escape(left_out)}[/dim]", soft_wrap=True)
    versions = " ".join(f"{name} {number}" for name, number in result.versions.items())
    seconds = f"build {result.build_s:.2f} s, solve {result.solve_s:.2f} s"
    console.print(
        f"[dim]method {escape(result.method)} ({result.guarantee.value}); {seconds}; {versions}[/dim]",
        soft_wrap=True,
    )


def verdict(result: VerifiedResult) -> str:
    """Return status, value, bound and gap in one line, or why there is no placement."""
    colour = {Status.OPTIMAL: "green", Status.FEASIBLE: "yellow"}.get(result.status, "red")
    status = f"[{colour}]{result.status.value}[/{colour}]"
    if result.objective is not None:
        bound = "no bound" if result.dual_bound is None else f"bound {output.duration(result.dual_bound)}"
        return f"{status}  {output.duration(result.objective)}   {bound}   gap {output.percent(result.relative_gap)}"
    if result.status is Status.INFEASIBLE:
        reason = problem_of(result.instance).diagnose(result.instance)
        reason = (
            reason or "no placement meets all constraints; placewise explain looks for the smallest reason"
        )
        return f"{status}  proven: {escape(reason)}"
    return f"{status}  {escape(result.message)}"
