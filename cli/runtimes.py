"""What `solve` and `plan` share: the runtime that is to carry a placement out, and what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.cli.streams import note
from placewise.instances.files import read_json
from placewise.instances.importers.transformer_config import is_config
from placewise.instances.runtimes import RUNTIMES, Settings, chain_of, plan_for
from placewise.instances.runtimes.accelerate import FAMILIES
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected

if TYPE_CHECKING:
    import argparse

    from placewise.instances.runtimes import Plan


def add_runtime_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--for`` and what no placement says."""
    parser.add_argument(
        "--for",
        dest="runtime",
        choices=[*RUNTIMES],
        required=required,
        metavar="RUNTIME",
        help=f"print the flags or the file that carry the placement out: {', '.join(RUNTIMES)}",
    )
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="NAME=WHERE",
        help="where a device is, in the runtime's words: HOST:PORT, CUDA0, cpu, a card's number, a node's id; may be "
        "repeated",
    )
    parser.add_argument(
        "--family",
        metavar="TYPE",
        help="for accelerate: the model_type, after which modules have their names (default: the config.json's)",
    )


def settings_of(options: argparse.Namespace, source: str | None) -> Settings:
    """Return what the options say; the family and the file of a model are those of the source where it is one.

    Parameters
    ----------
    options : argparse.Namespace
        With what `add_runtime_options` added.
    source : str or None
        The command's INSTANCE; with a cluster it is a model's file.

    Raises
    ------
    PlacewiseError
        Naming the option.
    """
    at: dict[str, str] = {}
    for text in options.at:
        name, found, place = text.rpartition("=")
        if not found or not name or not place:
            raise PlacewiseError(f"--at: expected two values with = between them, found {text!r}")
        at[name] = place
    if options.runtime is None and (at or options.family):
        raise PlacewiseError(f"--{'at' if at else 'family'}: expected together with --for")
    if options.family is not None and options.family not in FAMILIES:
        raise PlacewiseError(f"--family: {expected(options.family, FAMILIES)}")
    if not getattr(options, "cluster", None) or source is None:
        return Settings(at, options.family)
    if source.endswith(".gguf"):
        return Settings(at, options.family, source)
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    return Settings(at, options.family or _family(folder / "config.json"), str(folder))


def _family(config: Path) -> str | None:
    """Return the model_type that stands beside a model's weights, None where nothing does."""
    if not config.is_file():
        return None
    document = read_json(str(config))
    return str(document["model_type"]) if is_config(document) else None


def planned(document: dict[str, Any], options: argparse.Namespace, source: str | None) -> Plan:
    """Return the plan for a result document.

    Parameters
    ----------
    document : dict
        With a placement.
    options : argparse.Namespace
        With `runtime`.
    source : str or None
        See `settings_of`.

    Raises
    ------
    PlacewiseError
        Where the runtime cannot carry it out.
    """
    return plan_for(options.runtime, chain_of(document), settings_of(options, source))


def show_plan(plan: Plan) -> None:
    """Print what can be pasted on standard output, and the notes beside it."""
    print(plan.text)
    for line in plan.notes:
        note(line)
