"""The model that a GGUF header describes: layers from its tensors, caches from heads, windows and latent vectors."""

from __future__ import annotations

import math
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from placewise.instances.folder import DATA
from placewise.instances.importers.cache import Attention
from placewise.instances.importers.gguf_header import LARGEST_HEADER_BYTES, Header, parse_header, type_name
from placewise.instances.importers.published import (
    BUFFER,
    EXPERT,
    TABLE,
    WEIGHTS,
    Block,
    PublishedModel,
    Tensor,
)
from placewise.instances.importers.values import HALF_BYTES, MAX_LAYERS, MAX_WIDTH, whole
from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError, PlacewiseError

EMBEDDING = "token_embd.weight"
#: Tables of which a token reads one row.
TABLES = (EMBEDDING, "position_embd.weight", "token_types.weight", "per_layer_token_embd.weight")
OF_EXPERTS = re.compile(r"_exps\.|ffn_(gate|up|down)\.\d+\.")
MAX_TOKENS = 2**31
WAY_ON = "--ignore-key {} says that it changes neither sizes nor times"


@cache
def architectures() -> dict[str, Any]:
    """Return what headers leave to whoever runs them, as ``data/gguf.toml`` has it."""
    return tomllib.loads((DATA / "gguf.toml").read_text(encoding="utf-8"))


def read_gguf(
    sources: list[str], name: str, *, full_cache: bool = False, ignore_keys: tuple[str, ...] = ()
) -> PublishedModel:
    """Return the model of a file, or of all parts of a split one.

    Parameters
    ----------
    sources : list of str
        Paths; the first part of a split model first.
    name : str
        Of the model.
    full_cache : bool
        Whether windows are ignored.
    ignore_keys : tuple of str
        Keys of which somebody knows that they change neither sizes nor times.

    Raises
    ------
    InstanceError
        Naming the key or tensor that is missing or wrong.
    PlacewiseError
        Without the package ``gguf``.
    """
    whole_model = Header()
    for source in sources:
        try:
            with Path(source).open("rb") as stream:
                part = parse_header(stream.read(LARGEST_HEADER_BYTES))
        except OSError as error:
            raise PlacewiseError(f"{source}: {error.strerror}") from None
        whole_model = part.behind(whole_model)
    count = whole_model.metadata.get("split.count", 1)
    if count not in (0, 1, len(sources)):
        raise InstanceError("split.count", f"expected all {count} parts of the model, found {len(sources)}")
    return model_of(whole_model, name, full_cache=full_cache, ignore_keys=ignore_keys)


def model_of(
    header: Header, name: str, *, full_cache: bool = False, ignore_keys: tuple[str, ...] = ()
) -> PublishedModel:
    """Return the model that a header states, with the bytes of every tensor.

    Parameters
    ----------
    header : Header
        Of the file, or of all parts.
    name : str
        Of the model.
    full_cache : bool
        Whether windows are ignored.
    ignore_keys : tuple of str
        As `read_gguf` has it.

    Raises
    ------
    InstanceError
        Naming the key or tensor that is missing or wrong.
    """
    family = header.metadata.get("general.architecture")
    if not isinstance(family, str):
        raise InstanceError("general.architecture", f"expected a name, found {short(family)}")
    own = {k.removeprefix(f"{family}."): v for k, v in header.metadata.items() if k.startswith(f"{family}.")}
    for key in ignore_keys:
        own.pop(key.removeprefix(f"{family}."), None)
    try:
        _require_known(own)
        return _Reading(header, own, family, full_cache=full_cache).model(name)
    except InstanceError as error:
        if error.path.partition("[")[0] in {
            *own,
            *architectures()["keys"]["read"],
            "embedding_length",
            "block_count",
        }:
            raise InstanceError(f"{family}.{error.path}", error.expected) from None
        raise


def _require_known(own: dict[str, Any]) -> None:
    keys = architectures()["keys"]
    for key, value in own.items():
        known = key in keys["harmless"] or key in keys["read"] or not value
        if not known and key.startswith(tuple(keys["matter"])):
            raise InstanceError(key, f"not known whether it changes sizes or times; {WAY_ON.format(key)}")


class _Reading:
    """One header."""

    def __init__(self, header: Header, own: dict[str, Any], family: str, *, full_cache: bool) -> None:
        self._header, self._own, self._family, self._full_cache = header, own, family, full_cache
        self._blocks = whole(own, "block_count", most=MAX_LAYERS)
        self._experts = whole(own, "expert_count", 0)
        self._notes: list[str] = []

    def model(self, name: str) -> PublishedModel:
        """Return the model."""
        own = self._own
        hidden = whole(own, "embedding_length")
        table = self._header.tensor_shape.get(EMBEDDING, ())
        if len(table) != 2 or not 1 <= table[1] <= MAX_WIDTH:
            raise InstanceError(EMBEDDING, f"expected a matrix with a row per token, found {table}")
        chosen = whole(own, "expert_used_count", most=self._experts) if self._experts else 0
        embedding, blocks, head = self._tensors()
        further = whole(own, "nextn_predict_layers", 0, self._blocks - 1)
        if further:
            self._notes.append("left out: the module that predicts further tokens")
            blocks = blocks[: len(blocks) - further]
        experts = any(t.role == EXPERT for block in blocks for t in block)
        if self._experts and not experts:
            self._notes.append(f"{self._experts} experts are stated, and no tensors of experts are there")
        attentions = self._attentions(len(blocks), hidden)
        kinds = {type_name(kind) for kind in self._header.tensor_kind.values()}
        tied = embedding[0] if "output.weight" not in self._header.tensor_bytes else None
        return PublishedModel(
            name,
            hidden,
            table[1],
            tuple(embedding),
            tuple(
                Block(tuple(block), attention) for block, attention in zip(blocks, attentions, strict=True)
            ),
            tuple(head),
            tied=tied,
            activation_bytes=HALF_BYTES,
            bytes_per_parameter=HALF_BYTES,
            quantized=f"GGUF, {', '.join(sorted(kinds))}",
            experts=self._experts if experts else 0,
            experts_per_token=chosen if experts else 0,
            max_tokens=whole(own, "context_length", 0, MAX_TOKENS) or None,
            notes=tuple(self._notes),
        )

    def _tensors(self) -> tuple[list[Tensor], list[list[Tensor]], list[Tensor]]:
        embedding: list[Tensor] = []
        head: list[Tensor] = []
        blocks: list[list[Tensor]] = [[] for _ in range(self._blocks)]
        refused = architectures()["refused"]
        for name in sorted(self._header.tensor_bytes, key=lambda name: name != EMBEDDING):
            prefix, _, rest = name.partition(".")
            number = rest.partition(".")[0]
            reason = next((refused[part] for part in refused if part in name), None)
            if reason:
                raise InstanceError(name, f"not known here: {reason}")
            if prefix == "blk" and number.isdecimal() and len(number) < 10:
                if int(number) >= self._blocks:
                    raise InstanceError(name, f"expected block 0 to {self._blocks - 1}")
                blocks[int(number)].append(self._tensor(name))
            else:
                (head if prefix.startswith("output") else embedding).append(self._tensor(name))
        if [] in blocks:
            missing = f"blk.{blocks.index([])}"
            raise InstanceError(missing, "expected its tensors; is a part of the model missing?")
        return embedding, blocks, head

    def _tensor(self, name: str) -> Tensor:
        shape, size = self._header.tensor_shape[name], self._header.tensor_bytes[name]
        role = WEIGHTS
        if OF_EXPERTS.search(name) and self._experts:
            role = EXPERT
            if "_exps." in name and shape[-1] != self._experts:
                raise InstanceError(name, f"expected {self._experts} experts, found shape {shape}")
        elif name in TABLES:
            role = TABLE
        elif name.partition(".")[0].startswith("rope_") or ".rope_" in name:
            role = BUFFER
        return Tensor(name, math.prod(shape), size, role, shape[-1])

    def _attentions(self, layers: int, hidden: int) -> list[Attention | None]:
        own = self._own
        heads = self._each("attention.head_count", layers)
        groups = self._each("attention.head_count_kv", layers, heads)
        width = whole(own, "attention.key_length", 0)
        if not width:
            most = max(heads)
            if not most or hidden % most:
                raise InstanceError(
                    "embedding_length", f"expected a multiple of the {most} heads, found {hidden}"
                )
            width = hidden // most
        value = whole(own, "attention.value_length", width)
        latent = whole(own, "attention.kv_lora_rank", 0)
        rope = whole(own, "rope.dimension_count", 0) if latent else 0
        if latent:
            self._notes.append("one latent vector is kept of each token")
        first_shared = layers - whole(own, "attention.shared_kv_layers", 0, layers)
        found: list[Attention | None] = []
        for n, (window, count, keys) in enumerate(zip(self._windows(layers), heads, groups, strict=True)):
            if not count or not keys:
                found.append(None)
                continue
            if count % keys:
                raise InstanceError(
                    "attention.head_count_kv", f"expected a divisor of the {count} heads, found {keys}"
                )
            widths = (latent + rope,) if latent else (keys * width, keys * value)
            both = 2 * latent + rope if latent else width + value
            found.append(Attention(() if n >= first_shared else widths, count * both // 2, window))
        return found

    def _each(self, key: str, layers: int, default: list[int] | None = None) -> list[int]:
        """Return a count for each layer, of one number or of a list."""
        stated = self._own.get(key)
        if not isinstance(stated, list):
            if default is not None and stated is None:
                return default
            return [whole(self._own, key)] * layers
        if len(stated) < layers:
            raise InstanceError(key, f"expected a count for each of the {layers} layers, found {len(stated)}")
        return [whole({f"{key}[{n}]": value}, f"{key}[{n}]", 0) for n, value in enumerate(stated[:layers])]

    def _windows(self, layers: int) -> list[int | None]:
        """Return the tokens that each layer looks back to; None = all."""
        key, known = "attention.sliding_window_pattern", architectures()["windows"].get(self._family, {})
        tokens = whole(self._own, "attention.sliding_window", known.get("tokens", 0), MAX_TOKENS)
        stated = self._own.get(key)
        if not tokens or self._full_cache:
            return [None] * layers
        if isinstance(stated, list):
            if len(stated) < layers or not all(isinstance(kind, bool | int) for kind in stated):
                raise InstanceError(key, f"expected true or false for each of the {layers} layers")
            return [tokens if kind else None for kind in stated[:layers]]
        if stated is None and not known:
            raise InstanceError(
                "attention.sliding_window",
                f"not known for {self._family} which layers have the window; --full-cache keeps all tokens in each",
            )
        period = whole(self._own, key, known.get("period", 0), MAX_LAYERS)
        if not period:
            self._notes.append(f"windows of {tokens:,} tokens are not used: all tokens are kept")
            return [None] * layers
        return [tokens if (n + 1) % period else None for n in range(layers)]
