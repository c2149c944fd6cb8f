"""How published weights are quantised, as ``quantization_config`` states it: bytes of a tensor, scales included.

Layouts as the libraries write them: AutoAWQ, GPTQ (AutoGPTQ, GPTQModel), bitsandbytes, fine-grained FP8 (DeepSeek, Qwen),
compressed-tensors, MXFP4 (gpt-oss), MLX.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from placewise.instances.importers import families
from placewise.instances.importers.layouts import Layout, grouped, mlx, mx, of_bits, per_block
from placewise.instances.importers.module_names import Modules, listed
from placewise.instances.importers.values import whole
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from placewise.instances.importers.families import Shape

PATH = "quantization_config"
WAY_ON = "read the weights instead: the model's folder with its safetensors, or a GGUF file"
#: Matrices of the layers; what else a scheme takes it says.
LINEAR = (families.MATRIX, families.EXPERT)


@dataclass(frozen=True)
class Scheme:
    """Which tensors are quantised, and how they are stored then.

    Parameters
    ----------
    title : str
        For people.
    layouts : tuple of (Modules, Layout or None)
        The first that names a tensor counts; None = stored as it was.
    roles : tuple of str
        Of tensors that are quantised.
    """

    title: str
    layouts: tuple[tuple[Modules, Layout | None], ...]
    roles: tuple[str, ...] = LINEAR

    def stored_bytes(self, name: str, shape: Shape, bytes_per_parameter: int) -> int:
        """Return what a tensor takes.

        Parameters
        ----------
        name : str
            With the number of its layer.
        shape : Shape
            Its dimensions, copies and role.
        bytes_per_parameter : int
            Where it is not quantised.
        """
        plain = shape.parameters * bytes_per_parameter
        if shape.role not in self.roles or len(shape.dimensions) < 2 or name.endswith("bias"):
            return plain
        for modules, layout in self.layouts:
            if modules.name(name):
                *leading, rows, columns = shape.dimensions
                copies = shape.copies
                for size in leading:
                    copies *= size
                return plain if layout is None else copies * layout(rows, columns)
        return plain


def scheme_of(document: dict[str, Any]) -> Scheme | None:
    """Return how a configuration's weights are quantised; None where they are not.

    Parameters
    ----------
    document : dict
        The configuration.

    Raises
    ------
    InstanceError
        Naming the method or key that is not known.
    """
    stated = document.get(PATH)
    own = document.get("quantization")
    if isinstance(own, dict) or (
        isinstance(stated, dict) and "quant_method" not in stated and "bits" in stated
    ):
        return _mlx(own if isinstance(own, dict) else stated or {})
    if own is not None:
        raise InstanceError("quantization", f"expected group_size and bits, found {short(own)}")
    if stated is None:
        return None
    if not isinstance(stated, dict):
        raise InstanceError(PATH, f"expected an object, found {short(stated)}")
    method = stated.get("quant_method")
    if method is None and (stated.get("load_in_4bit") or stated.get("load_in_8bit")):
        method = "bitsandbytes"
    read = METHODS.get(method) if isinstance(method, str) else None
    if read is None:
        expected = ", ".join(METHODS)
        raise InstanceError(
            f"{PATH}.quant_method", f"expected one of {expected}, found {short(method)}; {WAY_ON}"
        )
    return read(stated)


def _require(stated: dict[str, Any], known: str) -> None:
    names = set(known.split()) | {"quant_method"}
    for key, value in stated.items():
        if key not in names and value is not None:
            raise InstanceError(join(PATH, key), f"not known whether it changes sizes; {WAY_ON}")


def _number(stated: dict[str, Any], key: str, default: int | None = None, most: int = 2**20) -> int:
    try:
        return whole(stated, key, default, most)
    except InstanceError as error:
        raise InstanceError(join(PATH, error.path), error.expected) from None


def _group(stated: dict[str, Any], default: int) -> int:
    """Return the weights per scale; 0 = one scale per row."""
    return 0 if stated.get("group_size") == -1 else _number(stated, "group_size", default)


def _awq(stated: dict[str, Any]) -> Scheme:
    _require(
        stated,
        "bits w_bit group_size q_group_size zero_point version backend modules_to_not_convert do_fuse modules_to_fuse "
        "fuse_max_seq_len exllama_config",
    )
    key = "bits" if "bits" in stated else "w_bit"
    bits = _number(stated, key, 4, 16)
    group = _group(stated if "q_group_size" not in stated else {"group_size": stated["q_group_size"]}, 128)
    kept = listed(stated.get("modules_to_not_convert"), f"{PATH}.modules_to_not_convert")
    return _linear(
        f"AWQ, {bits} bits in groups of {group}", grouped(bits, group, zeros=True, scale_bytes=2), kept
    )


def _gptq(stated: dict[str, Any]) -> Scheme:
    _require(
        stated,
        "bits group_size desc_act sym true_sequential damp_percent static_groups dataset tokenizer batch_size backend meta "
        "model_name_or_path model_file_base_name use_cuda_fp16 model_seqlen block_name_to_quantize lm_head pack_dtype "
        "module_name_preceding_first_block pad_token_id use_exllama max_input_length exllama_config disable_exllama "
        "cache_block_outputs checkpoint_format quantizer is_marlin_format modules_in_block_to_quantize mse dynamic "
        "damp_auto_increment act_group_aware",
    )
    for key in ("dynamic", "modules_in_block_to_quantize"):
        if stated.get(key):
            raise InstanceError(
                join(PATH, key), f"not known which bytes follow from widths by module; {WAY_ON}"
            )
    bits, group = _number(stated, "bits", None, 16), _group(stated, 128)
    layout = grouped(bits, group, zeros=True, scale_bytes=2, order_bytes=4)
    roles = (*LINEAR, families.HEAD) if stated.get("lm_head") else LINEAR
    return Scheme(f"GPTQ, {bits} bits in groups of {group}", ((Modules(), layout),), roles)


def _bitsandbytes(stated: dict[str, Any]) -> Scheme:
    _require(
        stated,
        "_load_in_4bit _load_in_8bit load_in_4bit load_in_8bit llm_int8_enable_fp32_cpu_offload llm_int8_has_fp16_weight "
        "llm_int8_skip_modules llm_int8_threshold bnb_4bit_compute_dtype bnb_4bit_quant_storage bnb_4bit_quant_type "
        "bnb_4bit_use_double_quant",
    )
    kept = listed(stated.get("llm_int8_skip_modules"), f"{PATH}.llm_int8_skip_modules")
    if stated.get("load_in_8bit") or stated.get("_load_in_8bit"):
        return _linear("bitsandbytes, 8 bits", of_bits(8, 4), kept)
    # A scale of 4 bytes per 64 weights; doubly quantised it takes 1 byte, and 4 per 256 of them.
    if stated.get("bnb_4bit_use_double_quant"):
        return _linear("bitsandbytes, 4 bits, scales quantised", per_block(4, 64, 1, 256, 4), kept)
    return _linear("bitsandbytes, 4 bits", per_block(4, 64, 4), kept)


def _fp8(stated: dict[str, Any]) -> Scheme:
    _require(
        stated,
        "activation_scheme fmt weight_block_size modules_to_not_convert ignored_layers activation_scale_ub "
        "modules_to_fuse dequantize scale_fmt",
    )
    block = stated.get("weight_block_size")
    sides = (0, 0)
    if block is not None:
        if not isinstance(block, list) or len(block) != 2:
            raise InstanceError(f"{PATH}.weight_block_size", f"expected two sizes, found {short(block)}")
        numbers = {str(n): value for n, value in enumerate(block)}
        sides = (_number(numbers, "0"), _number(numbers, "1"))
    key = "modules_to_not_convert" if stated.get("modules_to_not_convert") else "ignored_layers"
    kept = listed(stated.get(key), f"{PATH}.{key}")
    per_row = 4 if stated["quant_method"] == "fbgemm_fp8" else 0
    return _linear("FP8", of_bits(8, per_row, *sides), kept)


def _mxfp4(stated: dict[str, Any]) -> Scheme:
    _require(stated, "modules_to_not_convert dequantize")
    kept = listed(stated.get("modules_to_not_convert"), f"{PATH}.modules_to_not_convert")
    return Scheme("MXFP4 experts", ((kept, None), (Modules(), mx(4, 32))), (families.EXPERT,))


def _compressed(stated: dict[str, Any]) -> Scheme:
    from placewise.instances.importers.compressed_tensors import layouts_of

    title, layouts = layouts_of(stated, PATH, WAY_ON)
    return Scheme(title, layouts, (*LINEAR, families.ROUTER, families.HEAD))


def _mlx(stated: dict[str, Any]) -> Scheme:
    path = "quantization"
    layouts: list[tuple[Modules, Layout | None]] = []
    for key, value in stated.items():
        if key in ("group_size", "bits", "mode", "quant_method", "linear_class", "quantize_input"):
            continue
        if value is not False and not isinstance(value, dict):
            raise InstanceError(
                join(path, key), f"expected false, or group_size and bits, found {short(value)}"
            )
        layouts.append(
            (Modules((key,), exact=True), mlx({**stated, **value}, join(path, key)) if value else None)
        )
    layouts.append((Modules(), mlx(stated, path)))
    title = f"MLX, {stated.get('bits')} bits in groups of {stated.get('group_size')}"
    return Scheme(title, tuple(layouts), (*LINEAR, families.ROUTER, families.HEAD, families.TABLE))


def _linear(title: str, layout: Layout, kept: Modules) -> Scheme:
    return Scheme(title, ((kept, None), (Modules(), layout)))


METHODS = {
    "awq": _awq,
    "gptq": _gptq,
    "bitsandbytes": _bitsandbytes,
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "mxfp4": _mxfp4,
    "compressed-tensors": _compressed,
}
