"""Methods that start what outlives a signal to their group; each notes the process id in a file."""

import os
import subprocess
import sys
import time
from pathlib import Path

import planted

DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
with open(sys.argv[1] + ".new", "w") as note:
    note.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def _start(environment):
    note = os.environ["PLANTED_NOTE"]
    command = [sys.executable, "-c", DAEMON, note]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=True)
    while not Path(note).exists():
        time.sleep(0.01)


def starts_a_daemon(instance, parameters):
    _start(None)
    return planted.good(instance, parameters)


def starts_a_bare_daemon(instance, parameters):
    """Without a variable in its environment."""
    _start({})
    return planted.good(instance, parameters)


def forks_a_daemon(instance, parameters):
    """Do the same without another program: it keeps all open files, the pipe to the parent too."""
    if not os.fork():
        os.setsid()
        pid = os.fork()
        if pid:
            Path(os.environ["PLANTED_NOTE"]).write_text(str(pid), encoding="utf-8")
            os._exit(0)
        time.sleep(600)
        os._exit(0)
    os.wait()
    return planted.good(instance, parameters)


def crashes_beside_a_bare_daemon(instance, parameters):
    """Leave what has neither the worker's group nor its mark."""
    _start({})
    os._exit(3)


def crashes_beside_a_daemon(instance, parameters):
    _start(None)
    os._exit(3)


def sleeps_beside_a_daemon(instance, parameters):
    Path(os.environ["TMPDIR"], "file").touch()
    _start(None)
    time.sleep(600)
