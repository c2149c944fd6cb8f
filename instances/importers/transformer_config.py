"""A transformer's ``config.json`` as published with its weights: the tensors of its family, with the sizes stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from placewise.instances.importers import families
from placewise.instances.importers.config_facts import Facts, decoder_text
from placewise.instances.importers.config_keys import (
    ALIASES,
    EXPERTS,
    LATENT,
    OUTSIDE,
    WAY_ON,
    WINDOWS,
    require_known,
)
from placewise.instances.importers.published import EXPERT, TABLE, WEIGHTS, Block, PublishedModel, Tensor
from placewise.instances.importers.quantization import Scheme, scheme_of
from placewise.instances.importers.sparse_layers import is_sparse
from placewise.instances.importers.values import MAX_LAYERS
from placewise.instances.importers.windows import attention_of, windows_of
from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError
from placewise.models.workload import Transformer

__all__ = ["PublishedModel", "is_config", "read_config"]

#: Bytes of a stored number by its type.
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}


def is_config(document: Any) -> bool:
    """Whether a document looks like a transformer's configuration."""
    return isinstance(document, dict) and ("model_type" in document or "architectures" in document)


def read_config(
    document: dict[str, Any], name: str, *, full_cache: bool = False, ignore_keys: tuple[str, ...] = ()
) -> PublishedModel:
    """Return the model that a configuration describes.

    Parameters
    ----------
    document : dict
        A ``config.json``, parsed.
    name : str
        Of the model.
    full_cache : bool
        Whether windows are ignored.
    ignore_keys : tuple of str
        Keys of which somebody knows that they change neither sizes nor times.

    Raises
    ------
    InstanceError
        Naming the key that is missing, wrong or not known, or the family that is not known.
    """
    text, outer, path = decoder_text(document)
    family = families.family_of(text.get("model_type"), text.get("architectures"))
    if family is None:
        stated = text.get("model_type", text.get("architectures"))
        reason = OUTSIDE.get(stated) if isinstance(stated, str) else None
        why = f"not known here{f': {reason}' if reason else ''}; {WAY_ON}"
        raise InstanceError(
            f"{path}.model_type" if path else "model_type",
            f"found {short(stated)}, {why}; known are {', '.join(families.known_types())}",
        )
    facts = Facts(text, family, path)
    for part, where in ((text, path), (outer, "")):
        asked = {key: value for key, value in part.items() if key not in ignore_keys}
        require_known(asked, _known(family), family.name, where)
    switches = facts.switches()
    switches["tied"] = _is_tied(text, outer, family)
    widths = facts.widths(switches)
    layers = facts.whole("layers", most=MAX_LAYERS)
    size, said = _stored_type(text, outer)
    scheme = scheme_of({**outer, **text})
    windows = (None,) * layers if full_cache else windows_of(facts, family, layers)
    reading = _Reading(family, widths, switches, size, scheme)
    blocks = tuple(
        Block(
            reading.tensors(family.layer, sparse=is_sparse(facts, family, n), number=n),
            attention_of(family, widths, windows[n]),
        )
        for n in range(layers)
    )
    embedding = reading.tensors(family.embedding)
    notes = (*facts.notes, *said, *_left_out(document, text))
    if ignore_keys:
        notes += (f"ignored on request: {', '.join(ignore_keys)}",)
    return PublishedModel(
        name,
        widths["hidden"],
        widths["vocabulary"],
        embedding,
        blocks,
        reading.tensors(family.head),
        tied=embedding[0] if switches["tied"] else None,
        activation_bytes=4 if size == 4 else 2,
        bytes_per_parameter=size,
        quantized=scheme.title if scheme else "",
        experts=widths["experts"],
        experts_per_token=widths["experts_per_token"],
        max_tokens=widths["positions"] or None,
        transformer=_shape(name, blocks, widths, layers, family),
        notes=notes,
    )


@dataclass(frozen=True)
class _Reading:
    """What turns the shapes of a family into tensors."""

    family: families.Family
    widths: dict[str, int]
    switches: dict[str, bool]
    bytes_per_parameter: int
    scheme: Scheme | None

    def tensors(
        self, groups: tuple[families.Group, ...], *, sparse: bool = False, number: int | None = None
    ) -> tuple[Tensor, ...]:
        """Return the tensors of groups, in a layer's case with its number before their names."""
        found = []
        for shape in families.shapes(groups, self.widths, self.switches | {"sparse": sparse}):
            name = shape.name if number is None else f"{self.family.layers}.{number}.{shape.name}"
            stored = shape.parameters * self.bytes_per_parameter
            if self.scheme is not None:
                stored = self.scheme.stored_bytes(name, shape, self.bytes_per_parameter)
            role = {families.TABLE: TABLE, families.EXPERT: EXPERT}.get(shape.role, WEIGHTS)
            found.append(Tensor(name, shape.parameters, stored, role, shape.dimensions[0]))
        return tuple(found)


def _known(family: families.Family) -> set[str]:
    """Return the keys that are read for a family."""
    sizes = set(ALIASES) - (set() if family.experts else {"experts", "experts_per_token", "expert_forward"})
    known = {key for size in sizes for key in ALIASES[size]} | set(family.switches)
    if family.experts:
        known |= set(EXPERTS)
    if family.latent:
        known |= set(LATENT)
    if "token_width" in family.width_names:
        known.add("word_embed_proj_dim")
    if "new_decoder_architecture" in family.switches:
        known.add("num_ln_in_parallel_attn")
    return known | set(WINDOWS)


def _is_tied(text: dict[str, Any], outer: dict[str, Any], family: families.Family) -> bool:
    for part in (text, outer):
        stated = part.get("tie_word_embeddings")
        if stated is not None:
            if not isinstance(stated, bool):
                raise InstanceError("tie_word_embeddings", f"expected true or false, found {short(stated)}")
            return stated
    return family.tied


def _stored_type(text: dict[str, Any], outer: dict[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Return the bytes of a stored number, and what had to be assumed."""
    for part in (text, outer):
        for key in ("torch_dtype", "dtype"):
            stated = part.get(key)
            if stated is None or stated == "auto":
                continue
            kind = stated.removeprefix("torch.") if isinstance(stated, str) else stated
            if not isinstance(kind, str) or kind not in BYTES:
                raise InstanceError(key, f"expected one of {', '.join(BYTES)}, found {short(stated)}")
            return BYTES[kind], ()
    return 2, ("2 bytes per stored number assumed: no torch_dtype is stated",)


def _left_out(document: dict[str, Any], text: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    towers = [key for key in document if key.endswith("_config") and isinstance(document[key], dict)]
    towers = [key for key in towers if key not in ("text_config", "quantization_config")]
    if text is not document or towers:
        names = ", ".join(towers) or "what stands beside the text model"
        notes.append(f"left out: {names}")
    elif str(text.get("model_type")).endswith(("_vl", "_vl_text")):
        notes.append("left out: the vision tower")
    if text.get("num_nextn_predict_layers"):
        notes.append("left out: the module that predicts further tokens")
    return tuple(notes)


def _shape(
    name: str, blocks: tuple[Block, ...], widths: dict[str, int], layers: int, family: families.Family
) -> Transformer | None:
    """Return the shape for problems whose layers are all alike, dense, with heads that keep keys and values."""
    if family.experts or family.latent:
        return None
    width = widths["head_dim"]
    own = None if width * widths["heads"] == widths["hidden"] else width
    gated = any("gate" in tensor.name for tensor in blocks[0].tensors)
    plain = Transformer(
        name,
        widths["hidden"],
        widths["forward"],
        widths["vocabulary"],
        layers,
        widths["heads"],
        widths["key_heads"],
        own,
        gated,
    )
    extra = sum(t.parameters for t in blocks[0].tensors) - plain.decoder_parameters
    return Transformer(**{**plain.__dict__, "extra_parameters": extra})
