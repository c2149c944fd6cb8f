"""the largest context, or number of sequences, that a cluster holds, proven"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from placewise.cli import output
from placewise.cli.convert import add_instance_options, instance_of
from placewise.cli.rules import with_rules
from placewise.models.edgeshard import EdgeShardBatch
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers.largest import Largest, holding, largest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of what is asked: the step and the most by default.
STEPS = {"context": 256, "sequences": 1}
MOST = {"context": 2**24, "sequences": 2**20}
WORDS = {"context": "tokens of context", "sequences": "sequences"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", choices=list(STEPS), help="tokens of KV cache of one sequence, or sequences")
    parser.add_argument(
        "instance",
        metavar="MODEL",
        help="with --cluster a model's config.json or GGUF file; for sequences also an instance of edgeshard-batch",
    )
    parser.add_argument("--step", type=int, metavar="N", help="granularity (default: 256 tokens, 1 sequence)")
    parser.add_argument("--most", type=int, metavar="N", help="stop there (default: 2**24 tokens, 2**20)")
    add_instance_options(parser)
    output.add_solve_options(parser)


def run(options: argparse.Namespace) -> int:
    """Find it, show it, and return 4 where the proof is open."""
    settings = output.solve_options(options)
    settings.pop("relative_gap")
    step = STEPS[options.what] if options.step is None else options.step
    most = MOST[options.what] if options.most is None else options.most
    build = _contexts(options) if options.what == "context" else _sequences(options)
    found = largest(build, step=step, most=most, **settings)
    if options.what == "context" and found.value:
        _contexts(options, quiet=False)(
            found.value
        )  # what its conversion warns of; those on the way are nobody's
    document = _document(found, options.what, step)
    if options.json:
        output.print_json(document)
    else:
        _show(found, options.what, step)
    if not found.proven:
        return output.LIMIT
    return output.SOLVED if found.value else output.INFEASIBLE


def _contexts(options: argparse.Namespace, *, quiet: bool = True) -> Callable[[int], Any]:
    """Return the instance of a context by its length; stages in a row unless another problem is asked for."""
    if not options.cluster:
        raise PlacewiseError("--cluster: expected with a model's file; an instance states its context")
    if options.sequence_length is not None:
        raise PlacewiseError("--sequence-length: expected without `largest context`, which looks for it")
    problem = options.problem or "edgeshard-throughput"

    def build(length: int) -> Any:
        own = {"sequence_length": length, "problem": problem, "quiet": quiet}
        asked = argparse.Namespace(**vars(options) | own)
        return with_rules(instance_of(asked, options.instance), asked, contiguous=True)

    return build


def _sequences(options: argparse.Namespace) -> Callable[[int], Any]:
    if options.problem not in (None, "edgeshard-batch"):
        raise PlacewiseError(f"--problem: expected edgeshard-batch for sequences, found {options.problem}")
    problem = "edgeshard-batch" if options.cluster else None
    asked = argparse.Namespace(**vars(options) | {"problem": problem})
    instance = with_rules(instance_of(asked, options.instance), options)
    if not isinstance(instance, EdgeShardBatch):
        raise PlacewiseError(f"{instance.name}: expected edgeshard-batch, found {instance.problem}")
    if not any(layer.cache_bytes for layer in instance.layers):
        raise PlacewiseError(f"{instance.name}: no layer states a cache, so any number of sequences fits")
    return lambda number: holding(instance, number)


def _document(found: Largest, what: str, step: int) -> dict[str, Any]:
    return {
        "format": "placewise-largest/1",
        "what": what,
        "step": step,
        "value": found.value,
        "proven": found.proven,
        "refused": found.refused,
        "refusal": None if found.refusal is None else found.refusal.status.value,
        "reason": _reason(found),
        "result": None if found.result is None else found.result.to_json(),
    }


def _reason(found: Largest) -> str | None:
    """Return in one line why one step more does not fit."""
    refusal = found.refusal
    if refusal is None:
        return None
    simple = problem_of(refusal.instance).diagnose(refusal.instance)
    return simple or refusal.message or "no placement meets all constraints"


def _show(found: Largest, what: str, step: int) -> None:
    console, words = Console(highlight=False), WORDS[what]
    colour = "green" if found.proven and found.value else "yellow"
    console.print(f"[{colour}]{found.value:,} {words}[/{colour}] fit, in steps of {step:,}")
    if found.refused is None:
        console.print("no more were asked for")
    else:
        proof = "proven" if found.proven else "open, at the limit"
        line = f"{found.refused:,} do not ({proof}): {_reason(found)}"
        console.print(escape(line), soft_wrap=True)
    if found.result is not None:
        for stage in found.result.stages:
            console.print(f"  {escape(str(stage))}", soft_wrap=True)
