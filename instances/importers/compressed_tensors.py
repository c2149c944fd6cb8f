"""The ``compressed-tensors`` format: groups of modules with a width and a strategy for their scales each."""

from __future__ import annotations

from typing import Any

from placewise.instances.importers.layouts import Layout, grouped, mx, of_bits
from placewise.instances.importers.module_names import Modules, listed
from placewise.instances.importers.values import whole
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

FORMATS = (
    *("pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "dense"),
    *("nvfp4-pack-quantized", "mxfp4-pack-quantized"),
)
KNOWN = {
    *("quant_method", "config_groups", "format", "ignore", "global_compression_ratio", "quantization_status"),
    *("kv_cache_scheme", "version", "sparsity_config", "transform_config"),
}
#: Scales are stored in 16 bits.
SCALE_BYTES = 2


def layouts_of(
    stated: dict[str, Any], path: str, way_on: str
) -> tuple[str, tuple[tuple[Modules, Layout | None], ...]]:
    """Return a title and the layouts of the groups, those that are left alone first.

    Parameters
    ----------
    stated : dict
        The ``quantization_config``.
    path, way_on : str
        Its path; what else could be read, for errors.

    Returns
    -------
    tuple of str and tuple
        A title, and pairs of modules with their layout.

    Raises
    ------
    InstanceError
        Naming what is not known.
    """
    for key, value in stated.items():
        known = key in KNOWN and (key not in ("sparsity_config", "transform_config") or _is_plain(value))
        if not known and value is not None:
            raise InstanceError(join(path, key), f"not known whether it changes sizes; {way_on}")
    form = stated.get("format", "dense")
    groups = stated.get("config_groups")
    if not isinstance(groups, dict) or not groups:
        raise InstanceError(f"{path}.config_groups", f"expected groups of modules, found {short(groups)}")
    kept = listed(stated.get("ignore"), f"{path}.ignore", exact=True)
    layouts: list[tuple[Modules, Layout | None]] = [(kept, None)]
    titles = []
    for key, group in groups.items():
        where = join(f"{path}.config_groups", key)
        if not isinstance(group, dict):
            raise InstanceError(where, f"expected an object, found {short(group)}")
        targets = group.get("targets")
        modules = Modules() if targets == ["Linear"] else listed(targets, f"{where}.targets", exact=True)
        own = group.get("format") or form
        if own not in FORMATS:
            raise InstanceError(f"{path}.format", f"expected one of {', '.join(FORMATS)}, found {short(own)}")
        weights = group.get("weights")
        layouts.append((modules, None if weights is None else _layout(weights, own, f"{where}.weights")))
        titles.append(f"{weights['num_bits']} bits" if weights else "unquantised")
    return f"compressed-tensors, {', '.join(dict.fromkeys(titles))}", tuple(layouts)


def _is_plain(value: object) -> bool:
    """Whether a configuration of sparsity or transforms says that there is none."""
    return not value or (
        isinstance(value, dict) and value.get("format") in ("dense", None) and len(value) < 2
    )


def _layout(weights: Any, form: str, path: str) -> Layout:
    if not isinstance(weights, dict):
        raise InstanceError(path, f"expected an object, found {short(weights)}")
    try:
        bits = whole(weights, "num_bits", None, 16)
        group = whole(weights, "group_size", 0) if weights.get("group_size") != -1 else 0
    except InstanceError as error:
        raise InstanceError(join(path, error.path), error.expected) from None
    if form == "nvfp4-pack-quantized":
        return mx(bits, group or 16, 4)
    if form == "mxfp4-pack-quantized":
        return mx(bits, group or 32)
    stored = bits if form == "pack-quantized" else max(bits, 8)
    strategy = weights.get("strategy") or ("group" if group else "tensor")
    if strategy == "tensor":
        return of_bits(stored, 0)
    if strategy == "channel":
        return of_bits(stored, SCALE_BYTES)
    if strategy == "block":
        block = weights.get("block_structure")
        if (
            not isinstance(block, list)
            or len(block) != 2
            or not all(isinstance(n, int) and n > 0 for n in block)
        ):
            raise InstanceError(f"{path}.block_structure", f"expected two sizes, found {short(block)}")
        return of_bits(stored, 0, *block)
    if strategy != "group" or not group:
        raise InstanceError(
            f"{path}.strategy",
            f"expected tensor, channel, block, or group with group_size, found {short(strategy)}",
        )
    return grouped(stored, group, zeros=not weights.get("symmetric", True), scale_bytes=SCALE_BYTES)
