"""A placement as runtimes see it: which device holds the embedding, each decoder layer, the head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeGuard

from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a layer is, by its name without a number at the end.
INPUT, EMBEDDING, HEAD = "input", "embedding", "head"
DECODER, ATTENTION, EXPERTS = "decoder", "attention", "experts"
STEMS = {
    INPUT: ("input", "client", "source"),
    EMBEDDING: ("embedding", "embeddings", "embed", "embed_tokens", "token_embd", "wte"),
    DECODER: ("decoder", "block", "blk", "layer", "transformer", "moe", "h"),
    ATTENTION: ("attention", "attn", "self_attn", "self-attention"),
    EXPERTS: ("experts", "ffn_exps"),
    HEAD: ("head", "output", "lm_head", "unembedding"),
}
_ROLE = {stem: role for role, stems in STEMS.items() for stem in stems}
_LETTER = {INPUT: "i", EMBEDDING: "e", DECODER: "d", ATTENTION: "a", EXPERTS: "x", HEAD: "h"}
#: An input and an embedding, whole layers or halves, a head; of a model's ends each may be left out.
_SHAPE = re.compile(r"i?e?(?:d|ax)+h?")
#: Problems whose placements are a chain of layers.
CHAINS = ("edgeshard-latency", "edgeshard-throughput", "edgeshard-batch", "dilemma")


@dataclass(frozen=True)
class Chain:
    """Where the parts of a transformer are; devices by name.

    Parameters
    ----------
    source : str
        The device of layer 0, where the runtime is started.
    embedding, head : str or None
        None where the instance has no such layer.
    decoders : tuple of str
        The device of each decoder layer, of its attention where it is halved.
    experts : tuple of str
        The device of each decoder layer's other half; those of `decoders` where layers are whole.
    bits : tuple of int
        Width of each layer's weights; none where it is no decision.
    sequences : int
        Decoded together.
    in_flight : int
        So many batches on their way at once.
    problem : str
        By name.
    """

    source: str
    embedding: str | None
    decoders: tuple[str, ...]
    experts: tuple[str, ...]
    head: str | None
    bits: tuple[int, ...] = ()
    sequences: int = 1
    in_flight: int = 1
    problem: str = CHAINS[0]

    @property
    def spine(self) -> tuple[str, ...]:
        """The devices from the source to the head, experts that stand elsewhere left out."""
        ends = [device for device in (self.embedding, self.head) if device is not None]
        before = [self.source] if self.embedding is None else [self.source, *ends[:1]]
        return (*before, *self.decoders, *([] if self.head is None else [self.head]))

    @property
    def stages(self) -> tuple[tuple[str, int], ...]:
        """Devices with decoder layers in order of use, and how many in a row."""
        return tuple((device, len(list(run))) for device, run in groupby(self.decoders))

    @property
    def used(self) -> tuple[str, ...]:
        """All devices that host something, in order of use."""
        return tuple(dict.fromkeys((*self.spine, *self.experts)))


def chain_of(document: Mapping[str, Any]) -> Chain:
    """Return the chain of a result document with a placement.

    Parameters
    ----------
    document : mapping
        As `VerifiedResult.to_json` gives it: ``problem``, ``placement``, and the ``layer_names``.

    Raises
    ------
    InstanceError
        At what is missing, or a layer whose part in a transformer its name does not tell.
    PlacewiseError
        Where the problem's placements are no chains of layers.
    """
    problem = document.get("problem")
    if problem not in CHAINS:
        raise PlacewiseError(
            f"--for: expected a result of {', '.join(CHAINS)}, found one of {problem!r}: runtimes take whole layers"
        )
    placement, names = document.get("placement"), document.get("layer_names")
    if placement is None:
        raise InstanceError("placement", "expected a placement, found none")
    if not _texts(names):
        raise InstanceError(
            "layer_names", "expected them: solve writes them; or name the instance before the result"
        )
    devices = placement.get("layers") if isinstance(placement, dict) else None
    if not _texts(devices) or len(devices) != len(names):
        raise InstanceError("placement.layers", f"expected a device for each of {len(names)} layers")
    return _chain(problem, names, devices, placement)


def _chain(problem: str, names: list[str], devices: list[str], placement: dict[str, Any]) -> Chain:
    roles = roles_of(names)
    ends: dict[str, str] = {}
    decoders, experts = [], []
    for role, device in zip(roles, devices, strict=True):
        if role in (DECODER, ATTENTION):
            decoders.append(device)
        if role in (DECODER, EXPERTS):
            experts.append(device)
        ends.setdefault(role, device)
    bits = placement.get("bits") or []
    return Chain(
        source=devices[0],
        embedding=ends.get(EMBEDDING),
        decoders=tuple(decoders),
        experts=tuple(experts),
        head=ends.get(HEAD),
        bits=tuple(bits),
        sequences=int(placement.get("batch_size", 1)),
        in_flight=int(placement.get("in_flight") or 1),
        problem=problem,
    )


def _texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def roles_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return what each layer is; one stem that is not known counts as the decoder layers'.

    Parameters
    ----------
    names : sequence of str
        Of all layers, in order, as in ``embedding, decoder-0, decoder-1, head``.

    Raises
    ------
    InstanceError
        Where the names do not tell.
    """
    stems = [re.sub(r"[-_. ]?\d+$", "", name.lower()) for name in names]
    other = {stem for stem in stems if stem not in _ROLE}
    roles = tuple(_ROLE.get(stem, DECODER) for stem in stems)
    if len(other) > 1 or not _SHAPE.fullmatch("".join(_LETTER[role] for role in roles)):
        found = ", ".join(short(name) for name in list(dict.fromkeys(names))[:6])
        raise InstanceError(
            "model.layers",
            "expected layers named embedding, decoder (or attention and experts in turn), head, which runtimes know; "
            f"found {found}",
        )
    return roles
