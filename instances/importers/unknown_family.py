"""What a configuration of an unknown family says of caches: heads, windows, latent vectors. Sizes come from its weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from placewise.instances.importers.cache import Attention
from placewise.instances.importers.config_facts import Facts, decoder_text
from placewise.instances.importers.config_keys import ALIASES, HARMLESS, LATENT, OUTSIDE
from placewise.instances.importers.families import Family
from placewise.instances.importers.windows import windows_of
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Keys that may change what is kept of a token, or what it is computed with.
_MATTER = re.compile(
    r"attention|attn|head|cache|kv|window|chunk|state|ssm|mamba|conv|cross|share|recurr|memory|retention|layer_types|block"
    r"|expert|moe|top_?k|sparse|lora|latent|rank"
)
_READ = {
    *(name for names in ALIASES.values() for name in names),
    *LATENT,
    *("sliding_window", "use_sliding_window", "layer_types", "n_shared_experts", "num_shared_experts"),
    *("first_k_dense_replace", "moe_layer_freq", "decoder_sparse_step", "mlp_only_layers"),
    *(
        "shared_expert_intermediate_size",
        "num_attention_heads",
        "attention_bias",
        "moe_shared_expert_intermediate_size",
    ),
}


class UnknownFamily:
    """The configuration of a model whose tensors are known by other means.

    Parameters
    ----------
    document : dict
        A ``config.json``, parsed.
    ignore_keys : tuple of str
        Keys of which somebody knows that they change neither sizes nor times.

    Raises
    ------
    InstanceError
        For types that keep something else than tokens, and keys that may change a cache and are not understood.
    """

    def __init__(self, document: dict[str, Any], ignore_keys: tuple[str, ...] = ()) -> None:
        text, _, path = decoder_text(document)
        kind = text.get("model_type")
        if isinstance(kind, str) and kind in OUTSIDE:
            raise InstanceError(
                join(path, "model_type"), f"found {short(kind)}, not known here: {OUTSIDE[kind]}"
            )
        latent = bool(text.get("kv_lora_rank"))
        self._family = Family(str(kind), (), (), "", (), (), (), latent=latent)
        self._facts = Facts(text, self._family, path)
        for key, value in text.items():
            known = key in HARMLESS or key in _READ or key in ignore_keys or not value
            if not known and _MATTER.search(key) and not key.endswith(("_token_id", "_dropout", "_config")):
                raise InstanceError(
                    join(path, key),
                    f"not known whether {short(value)} changes what is kept of a token; --ignore-key {key} says that it "
                    "does not",
                )

    @property
    def layers(self) -> int | None:
        """How many decoder layers there are, where it is stated."""
        return self._facts.whole("layers", 0) or None

    @property
    def max_tokens(self) -> int | None:
        """The longest context that the model is made for."""
        return self._facts.whole("positions", 0, most=2**31) or None

    @property
    def experts(self) -> tuple[int, int]:
        """All experts of a layer, and those that a token is sent to; raise `InstanceError` where only one is stated."""
        count = self._facts.whole("experts", 0)
        return (count, self._facts.whole("experts_per_token", most=count)) if count else (0, 0)

    def attentions(self, layers: int, *, full_cache: bool) -> tuple[Attention, ...]:
        """Return what each layer keeps of a token.

        Parameters
        ----------
        layers : int
            How many there are.
        full_cache : bool
            Whether windows are ignored.

        Raises
        ------
        InstanceError
            Naming the key that is missing or wrong.
        """
        facts = self._facts
        windows = (None,) * layers if full_cache else windows_of(facts, self._family, layers)
        heads = facts.whole("heads")
        if self._family.latent:
            latent, rope = facts.number("kv_lora_rank"), facts.number("qk_rope_head_dim", 0)
            return tuple(Attention((latent + rope,), heads * (2 * latent + rope) // 2, w) for w in windows)
        keys = facts.key_heads(heads, {})
        width = facts.head_dim(facts.whole("hidden"), heads)
        return tuple(Attention((keys * width, keys * width), heads * width, window) for window in windows)


def attentions_of_shapes(shapes: Mapping[str, tuple[int, ...]]) -> Attention | None:
    """Return what a layer keeps of a token by its matrices of queries, keys and values; None where they are fused.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of the layer's tensors by their names.
    """
    rows = {
        letter: shape[0]
        for name, shape in shapes.items()
        for letter in "qkv"
        if re.search(rf"(^|[._])(w?{letter}|{letter}_proj|{letter}_lin)\.weight$", name) and len(shape) == 2
    }
    return Attention((rows["k"], rows["v"]), rows["q"]) if len(rows) == 3 else None
