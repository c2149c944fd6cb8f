"""Options that ask something of a placement: contiguous runs, the source, pinned layers, layers per device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from placewise.instances.importers.source import with_source
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance
from placewise.models.edgeshard.rules import Rules
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    import argparse

#: What ``--source`` takes for a source that is free.
FREE = "none"
_OPTIONS = ("contiguous", "returning", "source", "pin", "min_layers", "max_layers", "must_use")


def add_rule_options(parser: argparse.ArgumentParser) -> None:
    """Add the options; they are for EdgeShard's problems and add to what an instance asks."""
    parser.add_argument(
        "--contiguous",
        action="store_true",
        help="latency: each device hosts one run of layers (the default with --cluster)",
    )
    parser.add_argument("--returning", action="store_true", help="latency: a device may be returned to")
    parser.add_argument(
        "--source", metavar="NAME", help="device of layer 0, to which the token returns; none: the best one"
    )
    parser.add_argument(
        "--pin",
        action="append",
        metavar="LAYERS=NAME",
        help="keep layers on a device: an index, A-B, or a layer's name; may be repeated",
    )
    for key in ("min", "max"):
        word = "least" if key == "min" else "most"
        parser.add_argument(
            f"--{key}-layers",
            action="append",
            metavar="NAME=N",
            help=f"{word} layers of a device; may be repeated",
        )
    parser.add_argument(
        "--must-use", action="append", metavar="NAME", help="a device that hosts a layer; may be repeated"
    )


def with_rules(instance: Any, options: argparse.Namespace, *, contiguous: bool = False) -> Any:
    """Return an instance that asks what the options say, beside what it asks itself.

    Parameters
    ----------
    instance : Instance
        Of any problem; others than EdgeShard's take none of the options.
    options : argparse.Namespace
        With what `add_rule_options` added.
    contiguous : bool
        Whether latency is contiguous where no option says anything.

    Raises
    ------
    PlacewiseError
        Naming the option.
    """
    given = [name for name in _OPTIONS if getattr(options, name)]
    if not isinstance(instance, EdgeShardInstance | EdgeShardBatch):
        if given:
            option = f"--{given[0].replace('_', '-')}"
            raise PlacewiseError(
                f"{option}: expected an instance of an EdgeShard problem, found {instance.problem}"
            )
        return instance
    latency = instance.problem == "edgeshard-latency"
    for name in ("contiguous", "returning"):
        if name in given and not latency:
            raise PlacewiseError(f"--{name}: expected edgeshard-latency; a pipeline's stages are contiguous")
    if options.contiguous and options.returning:
        raise PlacewiseError("--returning: expected without --contiguous")
    if not given and not (contiguous and latency):
        return instance
    if options.source and options.source != FREE:
        instance = with_source(instance, _device(instance, "--source", options.source))
    old = instance.rules
    asked = options.contiguous or (contiguous and latency) or old.contiguous
    rules = Rules(
        contiguous=asked and not options.returning,
        pinned=dict(old.pinned) | _pinned(instance, options.pin or []),
        min_layers=dict(old.min_layers) | _numbers(instance, "--min-layers", options.min_layers or []),
        max_layers=dict(old.max_layers) | _numbers(instance, "--max-layers", options.max_layers or []),
        must_use=[*old.must_use, *(_device(instance, "--must-use", name) for name in options.must_use or [])],
    )
    return replace(instance, source=None if options.source == FREE else instance.source, rules=rules)


def _device(instance: Any, option: str, name: str) -> int:
    try:
        return int(instance.cluster.index(name, option))
    except InstanceError as error:
        raise PlacewiseError(str(error)) from None


def _halves(option: str, text: str) -> tuple[str, str]:
    left, found, right = text.rpartition("=")
    if not found or not left or not right:
        raise PlacewiseError(f"{option}: expected two values with = between them, found {text!r}")
    return left, right


def _numbers(instance: Any, option: str, given: list[str]) -> dict[int | str, int]:
    numbers: dict[int | str, int] = {}
    for text in given:
        name, number = _halves(option, text)
        if not number.isdecimal():
            raise PlacewiseError(f"{option}: expected a whole number of layers, found {number!r}")
        numbers[_device(instance, option, name)] = int(number)
    return numbers


def _pinned(instance: Any, given: list[str]) -> dict[int, int | str]:
    pinned: dict[int, int | str] = {}
    for text in given:
        layers, name = _halves("--pin", text)
        device = _device(instance, "--pin", name)
        pinned |= dict.fromkeys(_layers(instance, layers), device)
    return pinned


def _layers(instance: Any, text: str) -> list[int]:
    """Return the layers that an index, a range, or a name means."""
    named = [i for i, layer in enumerate(instance.layers) if layer.name == text]
    if named:
        return named
    first, _, last = text.partition("-")
    last = last or first
    count = len(instance.layers)
    if first.isdecimal() and last.isdecimal() and int(first) <= int(last) < count:
        return list(range(int(first), int(last) + 1))
    raise PlacewiseError(
        f"--pin: expected layers 0 to {count - 1}, as in 3 or 0-5, or a name, found {text!r}"
    )
