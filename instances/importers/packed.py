"""How many numbers a stored tensor stands for, where several are packed into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placewise.instances.importers.safetensors_header import Stored


def parameters_of(
    name: str,
    stored: Stored,
    place: tuple[int, str],
    meant: Mapping[tuple[int, str], int],
    config: Mapping[str, Any] | None,
) -> int:
    """Return the numbers that a tensor stands for.

    Parameters
    ----------
    name : str
        Of the tensor.
    stored : Stored
        Its type and shape.
    place : tuple of int and str
        Its layer, and its name there.
    meant : mapping of tuple of int and str to int
        Numbers of matrices by layer and module, where the family is known.
    config : mapping or None
        The configuration, which says how many bits a packed number has.

    Raises
    ------
    InstanceError
        Where nothing says it.
    """
    last = name.rpartition(".")[2]
    packed = last in ("qweight", "weight_packed") or last.endswith("_blocks")
    packed = packed or (last == "weight" and stored.dtype in ("U8", "U32", "I32"))
    if not packed:
        return stored.elements
    number, rest = place
    module = rest.rpartition(".")[0]
    plain = ".".join("*" if part.isdecimal() else part for part in module.split("."))
    known = meant.get((number, module), meant.get((number, plain)))
    if known is not None and not last.endswith("_blocks"):
        return known
    if stored.dtype == "U8":  # two of 4 bits
        return 2 * stored.elements
    return stored.size_bytes * 8 // _bits(name, config)


def _bits(name: str, config: Mapping[str, Any] | None) -> int:
    config = config or {}
    stated = config.get("quantization_config") or config.get("quantization") or {}
    bits = stated.get("bits", stated.get("w_bit")) if isinstance(stated, dict) else None
    if not isinstance(bits, int) or isinstance(bits, bool) or not 1 <= bits <= 16:
        raise InstanceError(
            name, "expected how many bits its numbers have: quantization_config.bits in config.json"
        )
    return bits
