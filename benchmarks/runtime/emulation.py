"""Any placement of layers or heads on real weights: a process per device, sockets between them, links that hold back.

A measuring instrument, not a runtime: tokens go one by one, in NumPy. A message carries the moment at which its link
would have delivered it, and is not looked at before; a slow device sleeps after what it computed. What it is for: the
tokens are those of one process, and the times are those that the cost model foretells.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from itertools import combinations
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from placewise.benchmarks.runtime.device import DRIVER, PATIENCE_S, Network, Placed, Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.benchmarks.quantization.llama import Llama


def _work(
    me: int, model: Llama, network: Network, plans: Sequence[Placed], peers: dict[int, Connection]
) -> None:
    Worker(me, model, network, plans, peers).run()


@dataclass(frozen=True)
class Emulated:
    """What came out.

    Parameters
    ----------
    tokens : tuple of int
        Prompt and answer.
    times_s : tuple of float
        From each token of the answer to the next.
    moves_s : tuple of float
        Of each move between two plans.
    """

    tokens: tuple[int, ...]
    times_s: tuple[float, ...]
    moves_s: tuple[float, ...]


def emulate(
    model: Llama, network: Network, plans: Sequence[Placed], prompt: Sequence[int], answer: int
) -> Emulated:
    """Decode greedily with a process for each device.

    Parameters
    ----------
    model : Llama
        Forked into all of them: each reads only what it hosts.
    network : Network
        M devices.
    plans : sequence of Placed
        One for each interval; the answer's tokens are shared among them, the prompt belongs to the first.
    prompt : sequence of int
        Tokens.
    answer : int
        How many tokens more; at least as many as plans.

    Returns
    -------
    Emulated
        Tokens, and times.
    """
    context, size = multiprocessing.get_context("fork"), len(network.share)
    ends: dict[int, dict[int, Connection]] = {device: {} for device in (DRIVER, *range(size))}
    for a, b in combinations(ends, 2):
        ends[a][b], ends[b][a] = context.Pipe()
    workers = [context.Process(target=_work, args=(j, model, network, plans, ends[j])) for j in range(size)]
    for worker in workers:
        worker.start()
    driver = ends[DRIVER]
    tokens, times_s, moves_s = list(prompt), [], []
    try:
        for position in range(len(prompt) + answer - 1):
            interval = max(0, position - len(prompt) + 1) * len(plans) // answer
            before = max(0, position - len(prompt)) * len(plans) // answer
            if interval != before and position >= len(prompt):
                moves_s.append(_moved(driver, plans[before], plans[interval], interval, size))
            started_s = time.monotonic()
            driver[plans[interval].source].send((started_s, ("token", tokens[position], position)))
            (told,) = wait([driver[plans[interval].source]], PATIENCE_S)
            assert isinstance(told, Connection)
            token = told.recv()[1][1]
            if position >= len(prompt) - 1:
                tokens.append(token)
                times_s.append(time.monotonic() - started_s)
    finally:
        for device in range(size):
            driver[device].send((0.0, ("end",)))
        for worker in workers:
            worker.join(PATIENCE_S)
    return Emulated(tuple(tokens), tuple(times_s), tuple(moves_s))


def _moved(driver: dict[int, Connection], old: Placed, new: Placed, interval: int, size: int) -> float:
    """Let caches move; return the seconds until the last has arrived."""
    started_s = time.monotonic()
    moving = sum(
        a != b
        for one, two in zip(old.blocks, new.blocks, strict=True)
        for a, b in zip(one.heads, two.heads, strict=True)
    )
    for device in range(size):
        driver[device].send((started_s, ("move", interval)))
    left = size + moving
    while left:
        for connection in wait([driver[device] for device in range(size)], PATIENCE_S):
            assert isinstance(connection, Connection)
            connection.recv()
            left -= 1
    return time.monotonic() - started_s
