"""What a runtime is told: a command or a file, and what goes without saying there."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placewise.instances.runtimes.chain import Chain


@dataclass(frozen=True)
class Settings:
    """What no placement says.

    Parameters
    ----------
    at : mapping of str to str
        Where devices are, in the runtime's words: a server's ``host:port``, ``CUDA0``, ``cpu``, a node's id.
    family : str or None
        The model's ``model_type``, after which modules have their names.
    model : str or None
        The model's file or folder, for commands.
    """

    at: Mapping[str, str] = field(default_factory=dict)
    family: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Plan:
    """A placement in a runtime's words.

    Parameters
    ----------
    runtime : str
        By name.
    text : str
        What is pasted into a shell, or written to a file.
    notes : tuple of str
        What it takes for granted, and what it leaves out.
    values : mapping
        The same for programs, plain JSON.
    """

    runtime: str
    text: str
    notes: tuple[str, ...]
    values: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the document, format ``placewise-plan/1``."""
        return {
            "format": "placewise-plan/1",
            "runtime": self.runtime,
            "text": self.text,
            "notes": list(self.notes),
            **self.values,
        }


def refused(runtime: str, reason: str, way: str) -> PlacewiseError:
    """Return the one line that says why a runtime cannot run a placement, and which option gives one that it can.

    Parameters
    ----------
    runtime, reason, way : str
        The last begins with the option.
    """
    return PlacewiseError(f"--for {runtime}: {reason}; {way}")


def require_one_width(runtime: str, chain: Chain) -> None:
    """Refuse widths that differ from layer to layer: a runtime loads one file.

    Parameters
    ----------
    runtime : str
        By name.
    chain : Chain
        Any.
    """
    widths = sorted(set(chain.bits))
    if len(widths) > 1:
        found = ", ".join(map(str, widths[:-1])) + f" and {widths[-1]}"
        ways = " or ".join(f'"bit_widths": [{width}]' for width in widths)
        raise refused(
            runtime,
            f"weights of {found} bits in one model are more than it loads",
            f"{ways} in the instance gives layers of one width",
        )


def require_no_return(runtime: str, chain: Chain) -> None:
    """Refuse a device that the token comes back to.

    Parameters
    ----------
    runtime : str
        By name.
    chain : Chain
        Any.
    """
    seen: set[str] = set()
    for before, device in pairwise(("", *chain.spine)):
        if device != before and device in seen:
            raise refused(runtime, f"the placement returns to {device}", _contiguous(chain))
        seen.add(device)


def _contiguous(chain: Chain) -> str:
    if chain.problem == "dilemma":
        return "dilemma has no rule against it; --problem edgeshard-latency --contiguous gives one run per device"
    return "--contiguous gives each device one run of layers"


def require_whole_layers(runtime: str, chain: Chain) -> None:
    """Refuse halves of a layer on two devices.

    Parameters
    ----------
    runtime : str
        By name.
    chain : Chain
        Any.
    """
    for number, (device, other) in enumerate(zip(chain.decoders, chain.experts, strict=True)):
        if device != other:
            raise refused(
                runtime,
                f"the attention of decoder layer {number} is on {device}, its experts are on {other}",
                "--for llama.cpp can, and an instance with whole layers",
            )


def require_ends_at_decoders(runtime: str, chain: Chain) -> None:
    """Refuse an embedding or a head on a device without decoder layers.

    Parameters
    ----------
    runtime : str
        By name.
    chain : Chain
        Without returns.
    """
    if chain.embedding not in (None, chain.decoders[0]):
        raise refused(
            runtime,
            f"{chain.embedding} hosts the embedding alone, which goes with the first decoder layers",
            f"--min-layers {chain.embedding}=2, or --source none, gives it some",
        )
    if chain.head not in (None, chain.decoders[-1]):
        raise refused(
            runtime,
            f"{chain.head} hosts the head alone, which goes with the last decoder layers",
            f"--min-layers {chain.head}=2 gives it some, --max-layers {chain.head}=0 does without it",
        )


def require_known(chain: Chain, settings: Settings) -> None:
    """Refuse to say where a device is that the placement does not use.

    Parameters
    ----------
    chain : Chain
        Any.
    settings : Settings
        With `at`.

    Raises
    ------
    PlacewiseError
        Naming it, and those of the placement.
    """
    for name in settings.at:
        if name not in chain.used:
            raise PlacewiseError(
                f"--at: expected a device of the placement ({', '.join(chain.used)}), found {name!r}{meant(name, chain.used)}"
            )


def require_pipeline(runtime: str, chain: Chain, settings: Settings) -> None:
    """Refuse what is no pipeline of whole decoder layers in one width, a stage for each device.

    Parameters
    ----------
    runtime : str
        By name.
    chain : Chain
        Any.
    settings : Settings
        With `at`.

    Raises
    ------
    PlacewiseError
        Naming what is not, and the option that helps.
    """
    require_one_width(runtime, chain)
    require_known(chain, settings)
    require_whole_layers(runtime, chain)
    require_no_return(runtime, chain)
    require_ends_at_decoders(runtime, chain)


def width_note(chain: Chain) -> tuple[str, ...]:
    """Return which file an only width asks for.

    Parameters
    ----------
    chain : Chain
        Of one width, or none.
    """
    return (f"weights in {chain.bits[0]} bits: a file of that width",) if chain.bits else ()


def ends_note(chain: Chain) -> tuple[str, ...]:
    """Return what an instance of decoder layers alone leaves open.

    Parameters
    ----------
    chain : Chain
        Any.
    """
    if chain.embedding is None and chain.head is None:
        return ("the instance has neither embedding nor head: they go with the first and the last layers",)
    return ()
