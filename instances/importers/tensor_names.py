"""What the names of published tensors say: the number of a layer, its part, what belongs to a quantised matrix."""

from __future__ import annotations

import re
from dataclasses import dataclass

from placewise.instances.importers.config_keys import TOWERS
from placewise.models.errors import InstanceError

#: Before and behind the first number that is not an expert's.
_NUMBERED = re.compile(r"((?:(?!\.experts\.).)*?)\.(\d{1,6})\.(.+)")
_TOWER = re.compile(
    r"(multi_modal_projector|mlp1|aligner|connector|img_projection|visual_.*|merger|resampler|siglip.*)$"
)
_FURTHER = re.compile(r"(^|\.)(mtp|nextn|eagle|medusa)(\.|_|$)")
_EMBEDDING = re.compile(
    r"(^|[._])(embed|embeddings?|word_embeddings\w*|wte|wpe|tok_embeddings|embed_(?!out)\w+|project_in)([._]|$)"
)
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output_layer|output|score)$")
#: Beside a matrix: scales, offsets, orders, and what libraries keep with them.
AUXILIARY = re.compile(
    r"(qzeros|scales|g_idx|weight_scale(_inv|_2)?|weight_zero_point|weight_shape|weight_g_idx|input_(global_)?scale"
    r"|weight_global_scale|[kvq]_scale|output_scale|absmax|quant_map|nested_absmax|nested_quant_map|quant_state.*|SCB"
    r"|weight_format|scale|zero_point|\w+_scales|\w+_scale_inv)$"
)
#: Stored, and no weights: tables of rotations, masks.
BUFFERS = re.compile(r"(inv_freq|masked_bias|rotary_emb\..*|attn\.bias|attention\.bias|freqs_cis)$")
STATES = re.compile(
    r"(^|\.)(mamba|ssm\w*|A_log|conv1d|conv|short_conv|time_mix\w*|time_mixing|linear_attn|recurrent\w*|retention)(\.|$)"
)
CROSS = re.compile(r"(^|[._])(cross_attn|crossattention|encoder_attn|EncDecAttention)([._]|$)")
EXPERTS = re.compile(r"(^|\.)experts(\.|$)")


@dataclass(frozen=True)
class Names:
    """Tensors by what their names say.

    Parameters
    ----------
    layers : tuple of (tuple of str)
        Of each decoder layer.
    embedding, head : tuple of str
        Before and behind the layers.
    towers, further : tuple of str
        Of other towers; of modules that predict further tokens: left out.
    prefix : str
        Of the layers.
    """

    layers: tuple[tuple[str, ...], ...]
    embedding: tuple[str, ...]
    head: tuple[str, ...]
    towers: tuple[str, ...]
    further: tuple[str, ...]
    prefix: str

    def rest(self, name: str) -> tuple[int, str]:
        """Return a name's layer and what stands behind its number; -1 and the last parts outside of layers."""
        found = _NUMBERED.fullmatch(name)
        if found and found[1] == self.prefix:
            return int(found[2]), found[3]
        return -1, name.removeprefix("language_model.").removeprefix("model.").removeprefix("language_model.")


def is_head(name: str) -> bool:
    """Whether a tensor is the head's matrix, or a part of it where it is quantised."""
    return bool(_HEAD.search(name.rpartition(".")[0]))


def sorted_names(names: list[str], layers: int | None) -> Names:
    """Return tensors by what their names say.

    Parameters
    ----------
    names : list of str
        Of all tensors.
    layers : int or None
        How many decoder layers there are, where that is known; what is behind them predicts further tokens.

    Raises
    ------
    InstanceError
        Where there is no stack of layers, or more than one, or one with a gap.
    """
    numbered: dict[str, dict[int, list[str]]] = {}
    towers, further, outside = [], [], []
    for name in names:
        found = _NUMBERED.fullmatch(name)
        if _FURTHER.search(name):
            further.append(name)
        elif any(TOWERS.match(part) or _TOWER.match(part) for part in name.split(".")):
            towers.append(name)
        elif found:
            numbered.setdefault(found[1], {}).setdefault(int(found[2]), []).append(name)
        else:
            outside.append(name)
    if len(numbered) != 1:
        stacks = ", ".join(sorted(numbered)[:5]) or "none"
        raise InstanceError("", f"expected the layers of one decoder, as in model.layers.0., found {stacks}")
    ((prefix, found_layers),) = numbered.items()
    count = layers or max(found_layers) + 1
    absent = next((n for n in range(count) if n not in found_layers), None)
    if absent is not None:
        raise InstanceError(f"{prefix}.{absent}", "expected its tensors; is a file of the model missing?")
    further += [name for n, own in found_layers.items() if n >= count for name in own]
    return Names(
        tuple(tuple(found_layers[n]) for n in range(count)),
        tuple(name for name in outside if _EMBEDDING.search(name)),
        tuple(name for name in outside if not _EMBEDDING.search(name)),
        tuple(towers),
        tuple(further),
        prefix,
    )
