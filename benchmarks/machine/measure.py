"""Measuring a machine in seconds: reading memory, multiplying matrices, on the host and on a CUDA card.

Decoding reads all weights once per token, as a product of a matrix with a vector does: that is what is timed for the
bandwidth, on a matrix far larger than caches. Arithmetic is a product of two matrices (GEMM), in single precision on
the host and in half precision on a card. The host's library is NumPy, with the BLAS that it brings; a card's is PyTorch
or CuPy, whichever is installed.
"""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Read per repetition: far beyond any cache.
READ_BYTES = 512 * 2**20
GEMM_SIZE = 1024
CARD_GEMM_SIZE = 8192
REPETITIONS = 5


@dataclass(frozen=True)
class Measured:
    """One device as measured.

    Parameters
    ----------
    name : str
        For people.
    memory_bytes : int
        What is free now.
    memory_bytes_per_s, flops_per_s : float
        Best of the repetitions, as STREAM reports: what else runs on the machine only takes from them.
    spread : dict of str to float
        ``(best - worst) / best`` of each rate's repetitions.
    seconds : float
        That measuring took.
    how : str
        What was timed.
    """

    name: str
    memory_bytes: int
    memory_bytes_per_s: float
    flops_per_s: float
    spread: dict[str, float]
    seconds: float
    how: str

    def entry(self) -> dict[str, Any]:
        """Return the device as a cluster file has it; rates to four digits, since no more of them repeat."""
        return {
            "name": self.name,
            "memory_bytes": self.memory_bytes,
            "flops_per_s": float(f"{self.flops_per_s:.4g}"),
            "memory_bytes_per_s": float(f"{self.memory_bytes_per_s:.4g}"),
        }


def measure(
    name: str, *, read_bytes: int = READ_BYTES, size: int = GEMM_SIZE, repetitions: int = REPETITIONS
) -> Measured:
    """Return what the host does.

    Parameters
    ----------
    name : str
        Of the device.
    read_bytes : int
        Bytes that each repetition reads.
    size : int
        Rows and columns of the matrices that are multiplied.
    repetitions : int
        Of each measurement; the first of each, which warms up, is not counted.

    Raises
    ------
    PlacewiseError
        Without the memory for it.
    """
    started = time.perf_counter()
    columns = 4096
    try:
        weights = np.ones((max(read_bytes // (4 * columns), 1), columns), dtype=np.float32)
        vector, left = np.ones(columns, dtype=np.float32), np.ones((size, size), dtype=np.float32)
    except MemoryError:
        raise PlacewiseError(f"expected {read_bytes / 1e9:.1f} GB of free memory to read from") from None
    rates = [weights.nbytes / seconds for seconds in _timed(partial(np.matmul, weights, vector), repetitions)]
    del weights
    work = [2.0 * size**3 / seconds for seconds in _timed(lambda: left @ left, repetitions)]
    return _measured(name, _free_bytes(), rates, work, started, "NumPy: float32 matrix-vector and GEMM")


def measure_card(name: str, *, size: int = CARD_GEMM_SIZE, repetitions: int = REPETITIONS) -> Measured | None:
    """Return what the first CUDA card does; None without a library for it, or without a card.

    Parameters
    ----------
    name : str
        Of the device.
    size : int
        Rows and columns of the matrices that are multiplied.
    repetitions : int
        Of each measurement.
    """
    for library, card in (("torch", _torch), ("cupy", _cupy)):
        try:
            module = importlib.import_module(library)
        except ImportError:
            continue
        found = card(module)
        if found is not None:
            return _measure_card(name, library, found, size, repetitions)
    return None


@dataclass(frozen=True)
class _Card:
    free_bytes: int
    half: Callable[[int, int], Any]
    finish: Callable[[], object]


def _torch(torch: Any) -> _Card | None:
    if not torch.cuda.is_available():
        return None
    return _Card(
        int(torch.cuda.mem_get_info()[0]),
        lambda rows, columns: torch.ones((rows, columns), dtype=torch.float16, device="cuda"),
        torch.cuda.synchronize,
    )


def _cupy(cupy: Any) -> _Card | None:
    try:
        free = int(cupy.cuda.Device(0).mem_info[0])
    except cupy.cuda.runtime.CUDARuntimeError:
        return None
    stream = cupy.cuda.Stream.null
    return _Card(
        free, lambda rows, columns: cupy.ones((rows, columns), dtype=cupy.float16), stream.synchronize
    )


def _measure_card(name: str, library: str, card: _Card, size: int, repetitions: int) -> Measured:
    started = time.perf_counter()
    columns = 8192
    rows = min(4 * READ_BYTES, card.free_bytes // 4) // (2 * columns)
    weights, vector, left = card.half(rows, columns), card.half(columns, 1), card.half(size, size)

    def once(product: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            product()
            card.finish()

        return run

    read_s = _timed(once(lambda: weights @ vector), repetitions)
    work_s = _timed(once(lambda: left @ left), repetitions)
    how = f"{library}: float16 matrix-vector and GEMM"
    rates = [2 * rows * columns / seconds for seconds in read_s]
    return _measured(name, card.free_bytes, rates, [2.0 * size**3 / s for s in work_s], started, how)


def _timed(run: Callable[[], object], repetitions: int) -> list[float]:
    run()
    seconds = []
    for _ in range(repetitions):
        before = time.perf_counter()
        run()
        seconds.append(max(time.perf_counter() - before, 1e-9))
    return seconds


def _measured(
    name: str, free: int, rates: list[float], work: list[float], started: float, how: str
) -> Measured:
    read, flops = max(rates), max(work)
    spread = {
        "memory_bytes_per_s": (read - min(rates)) / read,
        "flops_per_s": (flops - min(work)) / flops,
    }
    return Measured(name, free, read, flops, spread, time.perf_counter() - started, how)


def _free_bytes() -> int:
    """Return the memory that is free now; all of it where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - a pseudo file
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        raise PlacewiseError(
            "the system does not say how much memory is free: state memory_bytes yourself"
        ) from None
