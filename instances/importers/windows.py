"""Which layers look back to a window of tokens only, and what each keeps of a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.instances.importers.cache import Attention
from placewise.instances.importers.config_keys import WAY_ON
from placewise.instances.importers.values import MAX_LAYERS
from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placewise.instances.importers.config_facts import Facts
    from placewise.instances.importers.families import Family

FULL, SLIDING = "full_attention", "sliding_attention"
MAX_TOKENS = 2**31


def attention_of(family: Family, widths: Mapping[str, int], window: int | None) -> Attention:
    """Return what a layer keeps of each token.

    Parameters
    ----------
    family : Family
        Of the model.
    widths : mapping of str to int
        Its sizes.
    window : int or None
        Tokens that it looks back to.
    """
    if family.latent:
        # Queries and values are taken through the latent vector: scores over it and the rotated part, values over it.
        both = widths["latent_and_rope"] + widths["latent"]
        return Attention((widths["latent_and_rope"],), widths["heads"] * both // 2, window)
    return Attention((widths["key"], widths["key"]), widths["query"], window)


def windows_of(facts: Facts, family: Family, layers: int) -> tuple[int | None, ...]:
    """Return the window of each layer in tokens; None = it sees all of them.

    Parameters
    ----------
    facts : Facts
        Of the configuration.
    family : Family
        Of the model.
    layers : int
        How many there are.

    Returns
    -------
    tuple of int or None
        One per layer.

    Raises
    ------
    InstanceError
        Where kinds of layers are stated that are not known, or a window without its length.
    """
    used = facts.document.get("use_sliding_window")
    if used is not None and not isinstance(used, bool):
        raise InstanceError(facts.at("use_sliding_window"), f"expected true or false, found {short(used)}")
    length = facts.number("sliding_window", 0, most=MAX_TOKENS)
    if not length and family.window_tokens and "sliding_window" not in facts.document:
        length = family.window_tokens
    kinds = facts.document.get("layer_types")
    if kinds is not None:
        return _stated(facts, kinds, layers, length)
    if not family.window and length and used is not False:
        raise InstanceError(
            facts.at("sliding_window"), f"not known for {family.name} whether it counts; {WAY_ON}"
        )
    if used is False or not length or (family.window in ("late", "stated") and not used):
        return (None,) * layers
    if family.window == "all":
        return (length,) * layers
    if family.window == "late":
        first = facts.number("max_window_layers", None, most=MAX_LAYERS)
        return tuple(length if n >= first else None for n in range(layers))
    if family.window == "stated":
        raise InstanceError(
            facts.at("layer_types"), f"expected which layers have the window of sliding_window; {WAY_ON}"
        )
    key = (
        "_sliding_window_pattern" if "_sliding_window_pattern" in facts.document else "sliding_window_pattern"
    )
    period = facts.number(key, family.window_pattern, most=MAX_LAYERS)
    return tuple(length if (n + 1) % period else None for n in range(layers))


def _stated(facts: Facts, kinds: object, layers: int, length: int) -> tuple[int | None, ...]:
    path = facts.at("layer_types")
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise InstanceError(path, f"expected a kind for each of the {layers} layers")
    for n, kind in enumerate(kinds):
        if kind not in (FULL, SLIDING):
            raise InstanceError(
                f"{path}[{n}]", f"expected {FULL} or {SLIDING}, found {short(kind)}; {WAY_ON}"
            )
    if SLIDING in kinds and not length:
        raise InstanceError(facts.at("sliding_window"), "expected the tokens of the layers that slide")
    return tuple(length if kind == SLIDING else None for kind in kinds)
