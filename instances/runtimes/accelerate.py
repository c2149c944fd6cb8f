"""Hugging Face accelerate: a ``device_map``, from the names of a model's modules to cards, ``cpu`` or ``disk``.

It moves activations between any two modules, so a placement may return to a device; a layer's residual connection does
not survive two halves on two devices. Where there is a card, it computes nothing on the processor: it copies what is
there to the first card for every token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from placewise.instances.runtimes.numbers import number_of
from placewise.instances.runtimes.plan import (
    Plan,
    ends_note,
    require_known,
    require_one_width,
    require_whole_layers,
    width_note,
)
from placewise.models.errors import PlacewiseError
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from placewise.instances.runtimes.chain import Chain
    from placewise.instances.runtimes.plan import Settings

RUNTIME = "accelerate"
OFFLOADED = ("cpu", "disk")


@dataclass(frozen=True)
class Modules:
    """Names of modules.

    Parameters
    ----------
    first : tuple of str
        With the embedding.
    layers : str
        The list of decoder layers.
    last : tuple of str
        With the head.
    """

    first: tuple[str, ...]
    layers: str
    last: tuple[str, ...]


_LLAMA = Modules(("model.embed_tokens", "model.rotary_emb"), "model.layers", ("model.norm", "lm_head"))
#: By ``model_type``, as transformers' classes for causal language models name them.
FAMILIES = dict.fromkeys(
    [
        *(
            "llama",
            "mistral",
            "mixtral",
            "qwen2",
            "qwen2_moe",
            "qwen3",
            "qwen3_moe",
            "gemma",
            "gemma2",
            "phi3",
        ),
        *(
            "gemma3_text",
            "smollm3",
            "olmo2",
            "deepseek_v2",
            "deepseek_v3",
            "gpt_oss",
            "glm4",
            "cohere",
            "granite",
        ),
    ],
    _LLAMA,
) | {
    "phi": Modules(_LLAMA.first, "model.layers", ("model.final_layernorm", "lm_head")),
    "gpt2": Modules(("transformer.wte", "transformer.wpe"), "transformer.h", ("transformer.ln_f", "lm_head")),
    "falcon": Modules(
        ("transformer.word_embeddings", "transformer.rotary_emb"),
        "transformer.h",
        ("transformer.ln_f", "lm_head"),
    ),
    "bloom": Modules(
        ("transformer.word_embeddings", "transformer.word_embeddings_layernorm"),
        "transformer.h",
        ("transformer.ln_f", "lm_head"),
    ),
    "opt": Modules(
        ("model.decoder.embed_tokens", "model.decoder.embed_positions"),
        "model.decoder.layers",
        ("model.decoder.final_layer_norm", "lm_head"),
    ),
    "gpt_neox": Modules(
        ("gpt_neox.embed_in", "gpt_neox.rotary_emb"),
        "gpt_neox.layers",
        ("gpt_neox.final_layer_norm", "embed_out"),
    ),
}


def plan(chain: Chain, settings: Settings) -> Plan:
    """Return the ``device_map`` as JSON.

    Parameters
    ----------
    chain : Chain
        The placement.
    settings : Settings
        `family`; `at`: a card's number, ``cpu`` or ``disk``.

    Raises
    ------
    PlacewiseError
        Where it cannot run it, or the family's modules are not known.
    """
    require_one_width(RUNTIME, chain)
    require_known(chain, settings)
    require_whole_layers(RUNTIME, chain)
    modules = FAMILIES.get(settings.family or "")
    if modules is None:
        found = (
            "none" if settings.family is None else f"{settings.family!r}{meant(settings.family, FAMILIES)}"
        )
        raise PlacewiseError(f"--family: expected one of {', '.join(FAMILIES)}, found {found}")
    number = _numbers(chain, settings)
    where = dict.fromkeys(modules.first, chain.embedding or chain.decoders[0])
    where |= {f"{modules.layers}.{n}": device for n, device in enumerate(chain.decoders)}
    where |= dict.fromkeys(modules.last, chain.head or chain.decoders[-1])
    device_map = {module: number[device] for module, device in where.items()}
    notes = [*width_note(chain), *ends_note(chain)]
    notes.append("cards: " + ", ".join(f"{number[name]} = {name}" for name in number))
    if {*number.values()} & {*OFFLOADED} and not {*number.values()} <= {*OFFLOADED}:
        notes.append(
            "what is on cpu or disk is copied to a card for every token and computed there: the times of the placement "
            "do not hold"
        )
    return Plan(RUNTIME, json.dumps(device_map, indent=1), tuple(notes), {"device_map": device_map})


def _numbers(chain: Chain, settings: Settings) -> dict[str, int | str]:
    """Return each device as accelerate names it; where names tell no numbers, cards in order of use."""
    hosts = [name for name in chain.used if name in (chain.embedding, chain.head, *chain.decoders)]
    known: dict[str, int | str] = {}
    for name in hosts:
        place = settings.at.get(name, name).lower()
        if place in OFFLOADED:
            known[name] = place
    cards = [name for name in hosts if name not in known]
    numbers = {name: number_of(name, settings) for name in cards}
    stated = [name for name in cards if numbers[name] is not None]
    if stated and len(stated) < len(cards):
        missing = next(name for name in cards if numbers[name] is None)
        raise PlacewiseError(f"--at {missing}: expected its number, cpu or disk, as for {stated[0]}")
    if len({*numbers.values()}) < len(cards) and stated:
        raise PlacewiseError("--at: expected a number of its own for each card")
    for position, name in enumerate(cards):
        found = numbers[name]
        known[name] = position if found is None else found
    return {name: known[name] for name in hosts}
