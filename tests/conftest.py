"""Shared fixtures: the shipped instances, and instances from a seed."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from placewise.instances import read

settings.register_profile(
    "default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(  # pytest --hypothesis-profile=long tests/instances/test_hostile_files.py
    "long", deadline=None, max_examples=3000, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

# Worker processes import the planted methods of the tests by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])

# What a shell starts in the background ignores Ctrl-C, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def testbed_7b():
    return read("llama2-7b-testbed")


@pytest.fixture
def split():
    """Give the hand-computed instance whose optimum, 7 s, is a on layer 0 and b on the others."""
    return read("hand-split")


@pytest.fixture(params=["forked", "started"])
def both(request, monkeypatch):
    """Let workers be forked, and then started, as where a system cannot fork."""
    if request.param == "started":
        monkeypatch.setenv("PLACEWISE_COLD_WORKERS", "1")
