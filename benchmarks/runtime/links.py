"""Links that hold bytes back: what is sent arrives after the latency, and one byte after another.

A process of its own per server, ``python -m placewise.benchmarks.runtime.links 7001 127.0.0.1:7101 0.005 12500000``: it
listens, connects, and passes bytes on in both directions, each at the moment at which a link of that latency and
bandwidth would have delivered them.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time

CHUNK = 65536
#: The last stretch is waited for without sleeping: sleeps end late by about as much.
SPIN_S = 0.0002


def wait_until(moment_s: float) -> None:
    """Return at a moment of `time.monotonic`, to some microseconds.

    Parameters
    ----------
    moment_s : float
        Seconds.
    """
    while (left := moment_s - time.monotonic()) > 0:
        if left > SPIN_S:
            time.sleep(left - SPIN_S)


def carry(source: socket.socket, target: socket.socket, latency_s: float, bytes_per_s: float) -> None:
    """Pass on what one end sends until it closes.

    Parameters
    ----------
    source, target : socket
        Both connected.
    latency_s, bytes_per_s : float
        Of the link.
    """
    held: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def deliver() -> None:
        while True:
            moment_s, chunk = held.get()
            wait_until(moment_s)
            try:
                if not chunk:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(chunk)
            except OSError:  # the other end is gone
                return

    threading.Thread(target=deliver, daemon=True).start()
    free_s = 0.0
    while True:
        try:
            chunk = source.recv(CHUNK)
        except OSError:
            chunk = b""
        free_s = max(free_s, time.monotonic()) + len(chunk) / bytes_per_s
        held.put((free_s + latency_s, chunk))
        if not chunk:
            return


def serve(port: int, target: tuple[str, int], latency_s: float, bytes_per_s: float) -> None:
    """Accept connections for ever.

    Parameters
    ----------
    port : int
        On the loopback.
    target : (str, int)
        Where they lead.
    latency_s, bytes_per_s : float
        Of the link, each direction.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=carry, args=(one, other, latency_s, bytes_per_s), daemon=True).start()


if __name__ == "__main__":
    host, _, there = sys.argv[2].rpartition(":")
    sys.setswitchinterval(0.0005)
    serve(int(sys.argv[1]), (host, int(there)), float(sys.argv[3]), float(sys.argv[4]))
