"""Methods that say, as an error, what the process that runs them sees."""

import json
import os
import random
import resource
import sys
from pathlib import Path

import numpy as np
import planted

from placewise.solvers import solve

SOLVES = []


def surroundings(instance, parameters):
    """Say what a process takes from the one that asks."""
    mask = os.umask(0)
    os.umask(mask)
    seen = {
        "folder": os.getcwd(),  # noqa: PTH109 - a text
        "variable": os.environ.get("PLANTED_VARIABLE"),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "mask": mask,
        "processors": sorted(os.sched_getaffinity(0)),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "home": os.environ["TMPDIR"] == os.environ["PLACEWISE_WORKER"],
        "path": sys.path[-1],
        "group": os.getpgid(0) == os.getsid(0) == os.getpid(),
    }
    raise RuntimeError(json.dumps(seen))


def imports(instance, parameters):
    """Say which methods of the package were imported before this was asked for."""
    raise RuntimeError(json.dumps(sorted(name for name in sys.modules if name.endswith(".methods"))))


def leaves(instance, parameters):
    """Leave things to the next one, and say what was left to this."""
    SOLVES.append(1)
    os.environ["PLANTED_LEFT"] = "x" * len(SOLVES)
    draws = [random.random(), np.random.rand()]  # noqa: NPY002 - what users do
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    raise RuntimeError(json.dumps([len(SOLVES), descriptors, os.getpid(), *draws]))


def parent(instance, parameters):
    """Say which process forked this one."""
    raise RuntimeError(str(os.getppid()))


def solves(instance, parameters):
    """Ask for a worker of its own."""
    return solve(instance, "planted:good").placement


def sleeps_and_says(instance, parameters):
    """Note the process and the one that forked it, and wait."""
    with open(os.environ["PLANTED_NOTE"], "w", encoding="utf-8") as note:  # noqa: PTH123
        note.write(f"{os.getpid()} {os.getppid()}\n")
    return planted.sleeps(instance, parameters)
