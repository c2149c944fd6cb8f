"""Bytes of a quantised matrix with its scales, offsets and orders, by how a library lays it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from placewise.instances.importers.values import whole
from placewise.instances.strict_json import join, short
from placewise.models.errors import InstanceError

#: ``(rows, columns) -> bytes``; columns are the inputs.
Layout = Callable[[int, int], int]


def _up(count: int, size: int) -> int:
    """Return how many pieces of a size hold a count; size 0 = one piece."""
    return -(-count // size) if size else 1


def grouped(bits: int, group: int, *, zeros: bool, scale_bytes: int, order_bytes: int = 0) -> Layout:
    """Return the layout of weights with a scale per group of inputs, packed.

    Parameters
    ----------
    bits : int
        Per weight.
    group : int
        Inputs per scale; 0 = all.
    zeros : bool
        Whether a packed offset stands beside each scale.
    scale_bytes, order_bytes : int
        Of a scale; of an input's place in the order of the groups.
    """

    def size(rows: int, columns: int) -> int:
        scales = _up(columns, group) * rows
        return (
            _up(rows * columns * bits, 8)
            + scales * scale_bytes
            + (_up(scales * bits, 8) if zeros else 0)
            + columns * order_bytes
        )

    return size


def of_bits(bits: int, per_row_bytes: int, block_rows: int = 0, block_columns: int = 0) -> Layout:
    """Return the layout of weights with scales of 4 bytes: per row, per block of both sides, or one for all.

    Parameters
    ----------
    bits : int
        Per weight.
    per_row_bytes : int
        Of a row's scale; 0 = there are blocks.
    block_rows, block_columns : int
        Sides of a block; 0 = all.
    """

    def size(rows: int, columns: int) -> int:
        scales = rows * per_row_bytes or 4 * _up(rows, block_rows) * _up(columns, block_columns)
        return _up(rows * columns * bits, 8) + scales

    return size


def per_block(bits: int, block: int, scale_bytes: int, outer: int = 0, outer_bytes: int = 0) -> Layout:
    """Return the layout of weights in one row, a scale per block, and scales of scales.

    Parameters
    ----------
    bits, block : int
        Per weight; weights per scale.
    scale_bytes : int
        Of a scale.
    outer, outer_bytes : int
        Scales per scale of their own, and its bytes; 0 = none.
    """

    def size(rows: int, columns: int) -> int:
        scales = _up(rows * columns, block)
        return (
            _up(rows * columns * bits, 8)
            + scales * scale_bytes
            + (_up(scales, outer) * outer_bytes if outer else 0)
        )

    return size


def mx(bits: int, block: int, tensor_bytes: int = 0) -> Layout:
    """Return the layout of micro-scaled numbers: a scale of one byte per block.

    Parameters
    ----------
    bits, block : int
        Per weight; weights per scale.
    tensor_bytes : int
        Of what stands once per matrix.
    """
    return lambda rows, columns: _up(rows * columns * bits, 8) + rows * _up(columns, block) + tensor_bytes


def mlx(stated: dict[str, Any], path: str) -> Layout:
    """Return the layout of MLX: scale and offset of 2 bytes each per group, or micro-scaled.

    Parameters
    ----------
    stated : dict
        ``group_size``, ``bits`` and perhaps ``mode``.
    path : str
        Of it, for errors.

    Raises
    ------
    InstanceError
        For another mode.
    """
    mode = stated.get("mode", "affine")
    try:
        bits = whole(stated, "bits", None, 16)
        group = whole(stated, "group_size", None)
    except InstanceError as error:
        raise InstanceError(join(path, error.path), error.expected) from None
    if mode in ("mxfp4", "mxfp8", "nvfp4"):
        return mx(bits, group)
    if mode != "affine":
        raise InstanceError(
            join(path, "mode"), f"expected affine, mxfp4, mxfp8 or nvfp4, found {short(mode)}"
        )
    return lambda rows, columns: _up(rows * columns * bits, 8) + rows * _up(columns, group) * 4
