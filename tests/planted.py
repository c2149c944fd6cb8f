"""Methods that misbehave on purpose; worker processes import them by name."""

import os
import signal
import time
from pathlib import Path

import numpy as np


def good(instance, parameters):
    return (instance.source,) * len(instance.layers)


def nothing(instance, parameters):
    return None


def raises(instance, parameters):
    raise RuntimeError("planted")


def dies(instance, parameters):
    os._exit(7)


def sleeps(instance, parameters):
    time.sleep(3600)


def eats_memory(instance, parameters):
    return np.ones(2**40)


def prints(instance, parameters):
    print("noise on standard output", flush=True)
    os.write(1, b"more noise\n")
    return good(instance, parameters)


def wrong_length(instance, parameters):
    return (0,)


def unknown_device(instance, parameters):
    return (-1,) * len(instance.layers)


def no_sequence(instance, parameters):
    return 3


def caller():
    """Return the process that asked for this: the parent, or who asked the one that forked this."""
    parent = Path(f"/proc/{os.getppid()}")
    if b"execution.nursery" not in (parent / "cmdline").read_bytes():
        return os.getppid()
    return int((parent / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def kills_caller_once(instance, parameters):
    """End the process that asked for this, the first time; a marker file remembers."""
    marker = Path(os.environ["PLANTED_MARKER"])
    if not marker.exists():
        marker.touch()
        os.kill(caller(), 9)
        time.sleep(3600)
    return good(instance, parameters)


def kills_caller(instance, parameters):
    """End the process that asked for this, every time."""
    os.kill(caller(), 9)
    time.sleep(3600)


def segfaults(instance, parameters):
    signal.raise_signal(signal.SIGSEGV)


def aborts(instance, parameters):
    os.abort()


def hoards(instance, parameters):
    """Take memory step by step, until there is none."""
    kept = []
    while True:
        kept.append(bytearray(50_000_000))


def fills_disk(instance, parameters):
    """Leave no byte on the disk that the caller writes to."""
    with Path(os.environ["PLANTED_DISK"], "fill").open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            return good(instance, parameters)
