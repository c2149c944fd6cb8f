"""Which layers of a configuration have experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from placewise.instances.importers.values import MAX_LAYERS
from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from placewise.instances.importers.config_facts import Facts
    from placewise.instances.importers.families import Family


def is_sparse(facts: Facts, family: Family, layer: int) -> bool:
    """Whether a layer has experts in place of one feed-forward block.

    Parameters
    ----------
    facts : Facts
        Of the configuration.
    family : Family
        Of the model.
    layer : int
        Its number.

    Raises
    ------
    InstanceError
        Where the list of layers is none.
    """
    if not family.experts:
        return False
    dense = facts.document.get("mlp_only_layers") or []
    if not isinstance(dense, list):
        raise InstanceError(facts.at("mlp_only_layers"), f"expected a list of layers, found {short(dense)}")
    if layer in dense or layer < facts.number("first_k_dense_replace", 0, most=MAX_LAYERS):
        return False
    often = facts.document.get("moe_layer_freq")
    if isinstance(often, list):
        if layer >= len(often) or often[layer] not in (0, 1):
            raise InstanceError(facts.at("moe_layer_freq"), "expected 0 or 1 for each layer")
        return bool(often[layer])
    step = facts.number("decoder_sparse_step", 1, most=MAX_LAYERS)
    return (layer + 1) % step == 0 and layer % facts.number("moe_layer_freq", 1, most=MAX_LAYERS) == 0
