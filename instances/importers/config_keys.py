"""Keys of a transformer's ``config.json``: those that state sizes, those that change none, and those not known.

Lists of keys are data (``data/config_keys.toml``). What is not listed may change a size or a time, and is refused by name.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from placewise.instances.folder import DATA
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable

WAY_ON = (
    "read the weights instead (the model's folder with its safetensors, or a GGUF file), which need no such knowledge, "
    "or write the layers as an instance file"
)

_DATA = tomllib.loads((DATA / "config_keys.toml").read_text(encoding="utf-8"))
#: Types of which something is known that has no place here yet, and what.
OUTSIDE = {name: reason for reason, names in _DATA["outside"].items() for name in names}
#: Names by which families state the same size; the first that is there counts, and no other may differ.
ALIASES: dict[str, tuple[str, ...]] = {size: tuple(names) for size, names in _DATA["aliases"].items()}
#: Of these another name may say something else: the length of training.
MAY_DIFFER = ("positions",)
LATENT = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
EXPERTS = (
    *("mlp_only_layers", "decoder_sparse_step", "first_k_dense_replace", "moe_layer_freq"),
    *("n_shared_experts", "shared_expert_intermediate_size", "num_shared_experts"),
)
WINDOWS = (
    *(
        "sliding_window",
        "sliding_window_pattern",
        "_sliding_window_pattern",
        "layer_types",
        "use_sliding_window",
    ),
    "max_window_layers",
)
OTHERS = (
    *("model_type", "architectures", "torch_dtype", "dtype", "tie_word_embeddings", "text_config"),
    *("quantization_config", "quantization", "num_nextn_predict_layers"),
)
HARMLESS = frozenset(_DATA["keys"]["harmless"])
HARMLESS_WHEN_OFF = frozenset(_DATA["keys"]["harmless_when_off"])
#: Of the towers beside the text model, which are left out.
TOWERS = re.compile(
    r"(vision|image|video|audio|visual|mm|multimodal|projector|vit|speech|perceiver)(_|$)|(spatial_merge_size|ignore_index"
    r"|boi_token_index|eoi_token_index|use_image.*|tune_mm.*|temporal_patch_size)$"
)
_ENDINGS = re.compile(r"_(token_ids?|token_index|dropout|dropout_prob|pdrop|loss_coef|loss_coeff)$")


def require_known(document: dict[str, Any], known: Iterable[str], family: str, path: str = "") -> None:
    """Refuse keys that may change a size or a time.

    Parameters
    ----------
    document : dict
        The configuration.
    known : iterable of str
        Keys that its family reads.
    family : str
        For the error.
    path : str
        Of the document.

    Raises
    ------
    InstanceError
        Naming the first such key, and the way on.
    """
    read = {*known, *OTHERS}
    for key, value in document.items():
        if key in read or key in HARMLESS or _ENDINGS.search(key) or TOWERS.match(key) or value is None:
            continue
        if key in HARMLESS_WHEN_OFF and not value:
            continue
        raise InstanceError(
            join(path, key),
            f"not known for {family} whether {short(value)} changes sizes or times: {WAY_ON}; "
            f"--ignore-key {short(key)[1:-1]} says that it does not",
        )
