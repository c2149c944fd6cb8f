"""The numbers of a ``config.json``: sizes under whichever name a family gives them, switches, layers with experts."""

from __future__ import annotations

from typing import Any

from placewise.instances.importers.config_keys import ALIASES, LATENT, MAY_DIFFER
from placewise.instances.importers.families import Family, all_on, nested_defaults
from placewise.instances.importers.values import MAX_LAYERS, MAX_WIDTH, whole
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError


def decoder_text(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the part of a configuration that describes the text model, what stands around it, and its path.

    Parameters
    ----------
    document : dict
        A ``config.json``, parsed.

    Returns
    -------
    tuple of dict, dict, str
        The same document and an empty one where nothing is nested.
    """
    for key in ("text_config", "llm_config", "language_config"):
        nested = document.get(key)
        if isinstance(nested, dict):
            outer = {k: v for k, v in document.items() if k not in (key, "model_type", "architectures")}
            return nested, outer, key
    return document, {}, ""


class Facts:
    """The sizes of one configuration.

    Parameters
    ----------
    document : dict
        The text model's part.
    family : Family
        Whose names and defaults count.
    path : str
        Of the part; where it is nested, sizes that it does not state are the family's.
    """

    def __init__(self, document: dict[str, Any], family: Family, path: str) -> None:
        self.family, self.path = family, path
        self._assumed: list[str] = []
        self.document = document
        if path:  # a saved text_config leaves out what is equal to its class's defaults
            absent = self._absent(nested_defaults().get(str(document.get("model_type")), {}))
            self._assumed = [f"{key} {value}" for key, value in absent.items()]
            self.document = absent | document

    def _absent(self, defaults: dict[str, int]) -> dict[str, int]:
        """Return the defaults of sizes that are stated under no name."""
        stated = {size for size, names in ALIASES.items() if any(name in self.document for name in names)}
        named = {name: size for size, names in ALIASES.items() for name in names}
        return {
            key: value
            for key, value in defaults.items()
            if key not in self.document and named.get(key) not in stated
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken from the family."""
        return (f"by default of {self.family.name}: {', '.join(self._assumed)}",) if self._assumed else ()

    def key(self, size: str) -> str:
        """Return the name under which a size stands in the document, or the usual one."""
        names = ALIASES[size]
        stated = [name for name in names if self.document.get(name) is not None]
        for other in stated[1:]:
            if self.document[other] != self.document[stated[0]] and size not in MAY_DIFFER:
                raise InstanceError(
                    self.at(other),
                    f"expected the same as {stated[0]}, found {short(self.document[other])}",
                )
        usual = next((name for name in names if name in self.document), names[0])
        return stated[0] if stated else usual

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return join(self.path, key)

    def whole(self, size: str, default: int | None = None, most: int = MAX_WIDTH) -> int:
        """Return a size; in a nested part the family's where it is not stated.

        Parameters
        ----------
        size : str
            One of `ALIASES`.
        default : int or None
            Where neither says it; None = it must be stated.
        most : int
            Largest value.
        """
        key = self.key(size)
        return self.number(key, default, most)

    def number(self, key: str, default: int | None = None, most: int = MAX_WIDTH) -> int:
        """Return a whole number under a key of its own.

        Parameters
        ----------
        key : str
            Of the document.
        default : int or None
            None = it must be stated; 0 lets it be 0.
        most : int
            Largest value.

        Raises
        ------
        InstanceError
            Naming the key.
        """
        try:
            return whole(self.document, key, default, most)
        except InstanceError as error:
            raise InstanceError(self.at(error.path), error.expected) from None

    def switches(self) -> dict[str, bool]:
        """Return the family's switches.

        Raises
        ------
        InstanceError
            Where one is neither true nor false, or has a value that is not known.
        """
        found = {}
        for key, default in self.family.switches.items():
            stated = self.document.get(key)
            if stated is not None and not isinstance(stated, bool):
                raise InstanceError(self.at(key), f"expected true or false, found {short(stated)}")
            found[key] = default if stated is None else stated
            if found[key] is not self.family.must.get(key, found[key]):
                raise InstanceError(
                    self.at(key), f"expected {str(not found[key]).lower()} for {self.family.name}"
                )
        return found

    def widths(self, switches: dict[str, bool]) -> dict[str, int]:
        """Return all numbers that shapes are made of, 0 for those that the family does not have; completes switches.

        Parameters
        ----------
        switches : dict of str to bool
            The family's; what follows from other keys is added.

        Raises
        ------
        InstanceError
            Naming the key that is missing or wrong.
        """
        family = self.family
        hidden, heads = self.whole("hidden"), self.whole("heads")
        key_heads = self.key_heads(heads, switches)
        head_dim = self.head_dim(hidden, heads)
        forward = 0
        if "forward" in _words(family) or not family.experts:
            forward = self.whole("forward", hidden * family.forward_times or None)
        experts = self._experts(forward)
        token_width = self.number("word_embed_proj_dim", hidden)
        switches["projected"] = token_width != hidden
        both = self.number("num_ln_in_parallel_attn", 2 if switches.get("new_decoder_architecture") else 1)
        switches["two_parallel_norms"] = both == 2 and switches.get("new_decoder_architecture", False)
        query, keys = heads * head_dim, key_heads * head_dim
        found = {
            "hidden": hidden,
            "heads": heads,
            "key_heads": key_heads,
            "head_dim": head_dim,
            "query": query,
            "key": keys,
            "fused": query + 2 * keys,
            "forward": forward,
            "twice_forward": 2 * forward,
            "vocabulary": self.whole("vocabulary"),
            "token_width": token_width,
            "positions": self._positions(),
            **experts,
            **self._latent(heads),
        }
        return found | {"opt_positions": found["positions"] + 2}

    def _positions(self) -> int:
        needed = bool({"positions", "opt_positions"} & _words(self.family))
        if needed and self.document.get(self.key("positions")) is None and self.family.positions:
            self._assumed.append(f"{self.key('positions')} {self.family.positions}")
        return self.whole("positions", self.family.positions or None if needed else 0, most=2**31)

    def key_heads(self, heads: int, switches: dict[str, bool]) -> int:
        """Return how many heads keep keys and values.

        Parameters
        ----------
        heads : int
            All of them.
        switches : dict of str to bool
            The family's.

        Raises
        ------
        InstanceError
            Where it does not divide the heads.
        """
        if all_on(self.family.one_key_head, switches):
            return 1
        if self.family.one_key_head and "new_decoder_architecture" not in switches:
            return heads
        if switches.get("multi_query_attention") is False:
            return heads
        found = self.whole("key_heads", heads)
        if heads % found:
            raise InstanceError(
                self.at(self.key("key_heads")),
                f"expected a divisor of the {heads} attention heads, found {found}",
            )
        return found

    def head_dim(self, hidden: int, heads: int) -> int:
        """Return the width of a head, 0 where the family has latent vectors and none is stated.

        Parameters
        ----------
        hidden, heads : int
            Width of the residual stream, and how many heads there are.

        Raises
        ------
        InstanceError
            Where it is not stated, and does not follow.
        """
        stated = self.whole("head_dim", 0) or self.family.head_dim
        if stated or self.family.latent:
            return stated
        if hidden % heads:
            raise InstanceError(
                self.at(self.key("hidden")), f"expected a multiple of the {heads} heads, found {hidden}"
            )
        return hidden // heads

    def _experts(self, forward: int) -> dict[str, int]:
        names = ("experts", "experts_per_token", "expert_forward", "twice_expert_forward", "shared_forward")
        if not self.family.experts:
            return dict.fromkeys(names, 0)
        experts = self.whole("experts", most=MAX_WIDTH)
        chosen = self.whole("experts_per_token")
        if chosen > experts:
            key = self.key("experts_per_token")
            raise InstanceError(self.at(key), f"expected at most the {experts} experts, found {chosen}")
        width = self.whole("expert_forward", forward or self.whole("forward"))
        shared = self.number("shared_expert_intermediate_size", 0)
        shared = shared or self.number("n_shared_experts", 0, most=MAX_LAYERS) * width
        return dict(zip(names, (experts, chosen, width, 2 * width, shared), strict=True))

    def _latent(self, heads: int) -> dict[str, int]:
        names = (
            "query_latent",
            "latent",
            "latent_and_rope",
            "latent_heads",
            "latent_queries",
            "latent_values",
        )
        if not self.family.latent:
            return dict.fromkeys(names, 0)
        query, latent, plain, rope, value = (
            self.number(key, 0 if key == "q_lora_rank" else None) for key in LATENT
        )
        sizes = (query, latent, latent + rope, heads * (plain + value), heads * (plain + rope), heads * value)
        return dict(zip(names, sizes, strict=True))


def _words(family: Family) -> frozenset[str]:
    words = family.width_names
    return words | ({"forward"} if "twice_forward" in words else set())
