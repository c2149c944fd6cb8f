"""Table I: what a head, the projection and the feed-forward network demand at a sequence length."""

from __future__ import annotations

import math
from dataclasses import dataclass

from placewise.models.errors import InstanceError
from placewise.models.workload import plain_numbers

KV_CACHES = ("table", "per-head")
EXECUTIONS = ("full", "cached")


@dataclass(frozen=True)
class HeadTransformer:
    """One decoder layer whose heads are placed one by one (Section III).

    Parameters
    ----------
    heads, embedding_dim : int
        ``H`` identical heads and ``D``; a head is ``d = D / H`` wide.
    kv_heads : int or None
        Groups of heads that share keys and values (grouped-query attention, not in the paper); a group is then what
        is placed. None: each head has its own.
    bytes_per_parameter : int
        ``b``.
    prompt_tokens : int
        ``L0``.
    ffn_flops_factor : float
        ``phi``: the feed-forward network takes ``phi L D^2`` FLOP.
    kv : str
        A head's K/V cache: ``table``, ``t lambda D b`` as printed, or ``per-head``, ``2 L d b``.
    execution : str
        ``full`` recomputes all ``L`` tokens, ``cached`` computes the newest one.
    parameters_in_memory : bool
        Whether the weights of the projection (``D^2 b``) and of the feed-forward network (``8 D^2 b``) count.
    ffn_parameters : int or None
        Weights of the feed-forward network, where they are others than the paper's ``8 D^2``.

    Raises
    ------
    InstanceError
        On a value outside its range, naming the path in the instance file.
    """

    heads: int
    embedding_dim: int
    bytes_per_parameter: int = 4
    prompt_tokens: int = 64
    ffn_flops_factor: float = 8.0
    kv: str = "table"
    execution: str = "full"
    parameters_in_memory: bool = False
    kv_heads: int | None = None
    ffn_parameters: int | None = None

    def __post_init__(self) -> None:
        plain_numbers(self, "ffn_flops_factor")
        for key in ("heads", "embedding_dim", "bytes_per_parameter"):
            if getattr(self, key) < 1:
                raise InstanceError(f"transformer.{key}", f"expected at least 1, found {getattr(self, key)}")
        if self.embedding_dim % self.heads:
            raise InstanceError(
                "transformer.embedding_dim",
                f"expected a multiple of the {self.heads} heads, found {self.embedding_dim}",
            )
        if self.kv_heads is not None and (self.kv_heads < 1 or self.heads % self.kv_heads):
            raise InstanceError(
                "transformer.kv_heads", f"expected a divisor of the {self.heads} heads, found {self.kv_heads}"
            )
        if self.ffn_parameters is not None and self.ffn_parameters < 0:
            raise InstanceError("transformer.ffn_parameters", f"expected >= 0, found {self.ffn_parameters}")
        if self.prompt_tokens < 0:
            raise InstanceError("transformer.prompt_tokens", f"expected >= 0, found {self.prompt_tokens}")
        if not (math.isfinite(self.ffn_flops_factor) and self.ffn_flops_factor >= 0):
            raise InstanceError(
                "transformer.ffn_flops_factor", f"expected a number >= 0, found {self.ffn_flops_factor}"
            )
        for key, known in (("kv", KV_CACHES), ("execution", EXECUTIONS)):
            if getattr(self, key) not in known:
                raise InstanceError(
                    f"transformer.{key}", f"expected {' or '.join(known)}, found {getattr(self, key)!r}"
                )

    @property
    def units(self) -> int:
        """How many equal heads, or groups of heads, are placed."""
        return self.heads if self.kv_heads is None else self.kv_heads


@dataclass(frozen=True)
class BlockDemand:
    """The demands of one block.

    Parameters
    ----------
    memory_bytes : int
        ``m_i(t)``, exact.
    flops : float
        ``b_i(t)``.
    message_bytes : int
        What the block sends on: ``w_h`` to the projection, ``w_pf`` to the network, 0 from the network.
    read_bytes : int
        Weights, and the cache where it is used, read once for a token; the paper's times leave it out.
    """

    memory_bytes: int
    flops: float
    message_bytes: int
    read_bytes: int


def block_demands(transformer: HeadTransformer, length: int) -> tuple[BlockDemand, BlockDemand, BlockDemand]:
    """Return the demands of a head (or group of heads), the projection and the feed-forward network (Table I).

    Parameters
    ----------
    transformer : HeadTransformer
        The layer.
    length : int
        ``L``, tokens so far: prompt and generated ones.

    Returns
    -------
    (BlockDemand, BlockDemand, BlockDemand)
        Bytes, FLOP and bytes read of a head, the projection, the network.
    """
    embedding, size = transformer.embedding_dim, transformer.bytes_per_parameter
    width = embedding // transformer.heads
    group = transformer.heads // transformer.units  # queries per key and value, 1 in the paper
    generated = max(length - transformer.prompt_tokens, 0)
    cache_bytes = generated * embedding * size if transformer.kv == "table" else 2 * length * width * size
    if transformer.execution == "full":
        computed = length
        head_flops = (group + 2) * length * embedding * width + group * length**2 * width
    else:
        computed = 1
        head_flops = (group + 2) * embedding * width + 2 * group * length * width
    head_bytes, proj_bytes = (group + 2) * embedding * width * size, embedding**2 * size
    ffn_bytes = size * (
        8 * embedding**2 if transformer.ffn_parameters is None else transformer.ffn_parameters
    )
    counted = int(transformer.parameters_in_memory)
    return (
        BlockDemand(
            (group + 2) * (length + embedding) * width * size + cache_bytes,
            float(head_flops),
            computed * group * width * size,
            head_bytes + (cache_bytes if transformer.execution == "cached" else 0),
        ),
        BlockDemand(
            length * embedding * size + counted * proj_bytes,
            float(computed * embedding**2),
            computed * embedding * size,
            proj_bytes,
        ),
        BlockDemand(
            4 * length * embedding * size + counted * ffn_bytes,
            transformer.ffn_flops_factor * computed * embedding**2,
            0,
            ffn_bytes,
        ),
    )
