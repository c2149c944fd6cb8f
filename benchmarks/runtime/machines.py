"""Machines of unequal speed on one: llama.cpp's servers, each at its share of a core, behind a link that holds bytes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A slowed process runs for its share of this, and stands still for the rest.
PERIOD_S = 0.002
#: Ports of servers, and of links in front of them.
SERVERS, LINKS = 50700, 50800


@dataclass(frozen=True)
class Machine:
    """One emulated machine.

    Parameters
    ----------
    name : str
        As in the cluster.
    memory_bytes : float
        Stated, not enforced.
    share : float
        Of one core.
    latency_s, bytes_per_s : float
        Of its link to the first machine; the first one has none.
    """

    name: str
    memory_bytes: float
    share: float
    latency_s: float = 0.0
    bytes_per_s: float = 0.0


@contextmanager
def slowed(process: subprocess.Popen[str] | subprocess.Popen[bytes], share: float) -> Iterator[None]:
    """Let a process run for a share of the time: stopped and continued every `PERIOD_S`.

    Parameters
    ----------
    process : Popen
        Running.
    share : float
        1 leaves it alone.
    """
    if share >= 1:
        yield
        return
    code = (
        "import os,signal,sys,time\n"
        "pid, share, period = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])\n"
        "try:\n"
        "    while True:\n"
        "        os.kill(pid, signal.SIGCONT); time.sleep(share * period)\n"
        "        os.kill(pid, signal.SIGSTOP); time.sleep((1 - share) * period)\n"
        "except ProcessLookupError:\n"
        "    pass\n"
    )
    brake = subprocess.Popen([sys.executable, "-c", code, str(process.pid), str(share), str(PERIOD_S)])
    try:
        yield
    finally:
        brake.kill()
        brake.wait()
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)


@contextmanager
def served(binaries: Path, machines: list[Machine]) -> Iterator[dict[str, str]]:
    """Start a server and a link for every machine but the first; yield addresses by name.

    Parameters
    ----------
    binaries : Path
        With ``ggml-rpc-server``.
    machines : list of Machine
        The first one is where the model is started.
    """
    with ExitStack() as stack:
        addresses = {}
        for number, machine in enumerate(machines[1:]):
            at, link = SERVERS + number, LINKS + number
            server = [str(binaries / "ggml-rpc-server"), "-H", "127.0.0.1", "-p", str(at), "-t", "1"]
            process = stack.enter_context(_running(server))
            module = "placewise.benchmarks.runtime.links"
            arguments = [str(link), f"127.0.0.1:{at}", str(machine.latency_s), str(machine.bytes_per_s)]
            stack.enter_context(_running([sys.executable, "-m", module, *arguments]))
            stack.enter_context(slowed(process, machine.share))
            addresses[machine.name] = f"127.0.0.1:{link}"
        time.sleep(1.5)
        yield addresses


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def cluster_of(
    machines: list[Machine],
    rates: dict[str, float],
    *,
    through: bool,
    hop_overhead_s: float = 0.0,
    layer_overhead_s: float = 0.0,
    efficiency: float = 1.0,
) -> dict[str, object]:
    """Return the cluster file of the machines.

    Parameters
    ----------
    machines : list of Machine
        The first one is the source.
    rates : dict of str to float
        ``flops_per_s`` and ``memory_bytes_per_s`` of a whole core.
    through : bool
        Whether what servers send each other passes the source; a link of its own, as good as the worse of both, else.
    hop_overhead_s, layer_overhead_s, efficiency : float
        As in cluster files.
    """
    source, servers = machines[0].name, machines[1:]
    links = [(m.name, m.bytes_per_s, m.latency_s) for m in servers]
    between = [
        (a.name, b.name, min(a.bytes_per_s, b.bytes_per_s), max(a.latency_s, b.latency_s))
        for n, a in enumerate(servers)
        for b in servers[n + 1 :]
    ]
    return {
        "devices": [
            {"name": m.name, "memory_bytes": m.memory_bytes}
            | {key: rate * m.share for key, rate in rates.items()}
            for m in machines
        ],
        "bandwidth_bytes_per_s": {
            "default": min(m.bytes_per_s for m in servers),
            "symmetric": True,
            "links": [[source, name, rate] for name, rate, _ in links]
            + [[a, b, r] for a, b, r, _ in between],
        },
        "latency_s": {
            "default": max(m.latency_s for m in servers),
            "symmetric": True,
            "links": [[source, name, wait] for name, _, wait in links]
            + [[a, b, w] for a, b, _, w in between],
        },
        **({"through": source} if through else {}),
        "hop_overhead_s": hop_overhead_s,
        "layer_overhead_s": layer_overhead_s,
        "efficiency": efficiency,
    }
