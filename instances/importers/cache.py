"""What a decoder layer keeps of each token: keys and values, of all tokens or of a window, or one latent vector.

Sources: grouped heads, Ainslie et al. (2023); latent attention, DeepSeek-AI (2024); block formats of ggml.
"""

from __future__ import annotations

from dataclasses import dataclass

from placewise.models.errors import PlacewiseError
from placewise.models.nearest import expected

#: Numbers per block and bytes of a block; quantised types have a scale (and an offset) per 32 numbers.
TYPES: dict[str, tuple[int, int]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "fp8": (1, 1),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
}


def cache_kind(name: str) -> tuple[int, int]:
    """Return the numbers per block of a type and the bytes of a block; raise `PlacewiseError` for an unknown one."""
    if name not in TYPES:
        raise PlacewiseError(f"--cache-type: {expected(name, TYPES)}")
    return TYPES[name]


def row_bytes(width: int, kind: tuple[int, int]) -> int:
    """Return the bytes of so many numbers.

    Parameters
    ----------
    width : int
        Of a token's keys, or of its values.
    kind : tuple of int
        Numbers per block and bytes of a block.

    Raises
    ------
    PlacewiseError
        Where they fill no whole blocks.
    """
    block, size = kind
    if width % block:
        raise PlacewiseError(
            f"--cache-type: expected f32, f16, bf16 or fp8: {width} numbers fill no whole blocks of {block}"
        )
    return width // block * size


@dataclass(frozen=True)
class Attention:
    """How a layer attends to earlier tokens.

    Parameters
    ----------
    widths : tuple of int
        Numbers kept of each token: of its keys and of its values; one for a latent vector; none where the layer uses
        the cache of an earlier one.
    flops_width : int
        Width of all heads: a token's scores and weighted values take 4 FLOP per cached token and unit of it.
    window : int or None
        Tokens that are looked back to; None = all.
    """

    widths: tuple[int, ...]
    flops_width: int
    window: int | None = None

    def tokens_seen(self, tokens: int, *, full: bool = False) -> int:
        """Return how many tokens of a context are kept.

        Parameters
        ----------
        tokens : int
            Of the context.
        full : bool
            Whether the window is ignored.
        """
        return tokens if full or self.window is None else min(self.window, tokens)

    def cache_bytes(self, tokens: int, kind: tuple[int, int], *, full: bool = False) -> int:
        """Return the bytes of one sequence's cache.

        Parameters
        ----------
        tokens : int
            Of the context.
        kind : tuple of int
            Numbers per block and bytes of a block.
        full : bool
            Whether the window is ignored.
        """
        return self.tokens_seen(tokens, full=full) * sum(row_bytes(width, kind) for width in self.widths)
