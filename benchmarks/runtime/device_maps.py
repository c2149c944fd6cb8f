"""Does accelerate take a device map? ``python benchmarks/runtime/device_maps.py FAMILY MAP.json ...``, by itself.

Its environment is its own (torch, transformers, accelerate): a random model of the family, as many layers as the map
has, is dispatched by the map and compared with itself in one piece. Cards become the processor, and the last of
several the disk, so that a machine without cards will do.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}
#: Where a family's configuration has other names.
OTHERS = {
    "gpt2": {"n_embd": 32, "n_head": 4, "n_layer": 0, "vocab_size": 64},
    "falcon": {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 0, "vocab_size": 64},
    "bloom": {"hidden_size": 32, "n_head": 4, "n_layer": 0, "vocab_size": 64},
    "opt": TINY | {"ffn_dim": 48, "word_embed_proj_dim": 32, "num_hidden_layers": 0},
}


def check(family: str, device_map: dict[str, Any]) -> str:
    """Return what was found of a map.

    Parameters
    ----------
    family : str
        A ``model_type``.
    device_map : dict
        Module to card, ``cpu`` or ``disk``.
    """
    torch, accelerate, transformers = map(import_module, ("torch", "accelerate", "transformers"))
    layers = 1 + max(int(found[1]) for name in device_map if (found := re.search(r"\.(\d+)$", name)))
    shape = OTHERS.get(family, TINY | {"num_hidden_layers": 0})
    shape = {key: value or layers for key, value in shape.items()} | {
        "tie_word_embeddings": False,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(family, **shape)
    ).eval()
    accelerate.utils.check_device_map(model, device_map)
    tokens = torch.tensor([[1, 5, 2, 7]])
    with torch.no_grad():
        right = model(tokens).logits
    places = list(dict.fromkeys(device_map.values()))
    where = {place: "disk" if len(places) > 1 and place == places[-1] else "cpu" for place in places}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        mapped = {name: where[place] for name, place in device_map.items()}
        parts = accelerate.dispatch_model(
            model, mapped, main_device="cpu", offload_dir=folder, force_hooks=True
        )
        same = torch.allclose(parts(tokens).logits, right, atol=1e-5)
    return f"{family}: {layers} layers on {len(places)} places, every weight has one; logits {'equal' if same else 'DIFFER'}"


if __name__ == "__main__":
    for file in sys.argv[2:]:
        print(check(sys.argv[1], json.loads(Path(file).read_text(encoding="utf-8"))))
