"""Methods that end their process, ask, shout, or raise what is no usual exception; worker processes import them."""

import os
import signal
import sys
import time
from pathlib import Path

import planted

from placewise.models.errors import PlacewiseError


class BadTextError(Exception):
    """One whose text cannot be shown."""

    def __str__(self):
        raise RuntimeError("no text")


def killed_once(instance, parameters):
    """End as the kernel ends what takes too much memory, the first time; a marker file remembers."""
    marker = Path(os.environ["PLANTED_MARKER"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    return planted.good(instance, parameters)


def fails_once(instance, parameters):
    """Raise, the first time."""
    marker = Path(os.environ["PLANTED_MARKER"])
    if not marker.exists():
        marker.touch()
        raise RuntimeError("not yet")
    return planted.good(instance, parameters)


def killed_beside_a_fork(instance, parameters):
    """Leave a process behind that holds the pipe to the parent open."""
    if not os.fork():
        time.sleep(600)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def exits(instance, parameters):
    sys.exit(0)


def interrupts(instance, parameters):
    raise KeyboardInterrupt


def closes_a_generator(instance, parameters):
    raise GeneratorExit


def raises_badly(instance, parameters):
    raise BadTextError


def raises_at_length(instance, parameters):
    raise ValueError("z" * 10**7)


def raises_control_characters(instance, parameters):
    raise ValueError("\x00\x1b[2J\ud800\n\n=1+1")


def raises_a_local_class(instance, parameters):
    class LocalError(PlacewiseError):
        """One that another process does not know."""

    raise LocalError("local")


def asks(instance, parameters):
    return input("where to? ")


def shouts(instance, parameters):
    for _ in range(100):
        os.write(1, b"x" * 10**6)
        os.write(2, b"y" * 10**6)
    return planted.good(instance, parameters)


def garbles(instance, parameters):
    """Write into everything that is open, and go on."""
    for number in range(3, 20):
        try:
            os.write(number, b"garbage" * 100)
        except OSError:
            continue
    time.sleep(600)


def silences(instance, parameters):
    """Close everything that is open, and go on."""
    os.closerange(0, 20)
    time.sleep(600)
