"""Broken files by the hundred: every reader answers with one clear line, soon, in little memory."""

import json
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from readers import ODD, READERS, attempt, changed, places, read_gguf, read_helix, read_instance

from placewise.instances.strict_json import LARGEST_CONTAINERS

NAMES = {reader.__name__: reader for reader in READERS}
JSON_READERS = [name for name, reader in NAMES.items() if reader not in (read_gguf, read_helix)]
KINDS = ["replace", "remove", "repeat", "rename", "scale"]


@pytest.mark.parametrize("name", NAMES)
def test_the_seeds_are_read(name):
    """What the fuzzers start from is right, but for the records, which need no more than a line."""
    accepted = [attempt(NAMES[name], seed) for seed in READERS[NAMES[name]]]
    assert all(accepted) or name == "read_some_records"


@pytest.mark.parametrize("name", JSON_READERS)
@given(data=st.data())
def test_changed_documents(name, data):
    """Values replaced by odd ones, removed, repeated, renamed, scaled, at one to three places."""
    reader = NAMES[name]
    document = json.loads(data.draw(st.sampled_from(READERS[reader])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(document)))
        value, kind = data.draw(st.sampled_from(ODD)), data.draw(st.sampled_from(KINDS))
        document = changed(document, path, value, kind)
    attempt(reader, json.dumps(document).encode() + b"\n")


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_changed_bytes(name, data):
    """Bytes overwritten, cut off, or anything at all."""
    reader = NAMES[name]
    content = bytearray(data.draw(st.sampled_from(READERS[reader])))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 2 * len(content)))
    attempt(reader, bytes(content[:cut]) + data.draw(st.binary(max_size=8)))


@given(st.binary(max_size=300))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 100_000)
@example(b'"\\ud800"')
@example(b"\xef\xbb\xbf{}")
def test_any_bytes(content):
    """Nested too deeply, numbers of thousands of digits, half characters, marks before the text."""
    for reader in READERS:
        attempt(reader, content)


LARGE = {
    "lists": "'[' + '[],' * (N // 3) + '[]]'",
    "devices": "bomb(lambda d: d['cluster']['devices'].__setitem__(slice(None), [dict(d['cluster']['devices'][0],"
    " name=f'd{n}', count=4096) for n in range(4096)]))",
    "layers": "bomb(lambda d: d['model']['layers'].__setitem__(slice(None), [dict(d['model']['layers'][0],"
    " repeat=4096)] * 4096))",
    "tables": "bomb(lambda d: (d['cluster'].update(bandwidth_bytes_per_s=1.0, devices=[dict("
    "d['cluster']['devices'][0], name='d', count=4096, flops_per_s=1.0, memory_bytes_per_s=1.0)]), d.pop("
    "'compute_time_s', None), d.update(source_device='d-0'), d['model'].update(layers=[dict(name='l', "
    "memory_bytes=1, output_bytes=n, flops=1, weight_bytes=1) for n in range(4096)])))",
    "intervals": "bomb(lambda d: (d['cluster'].update(bandwidth_bytes_per_s=1.0, devices=[dict("
    "d['cluster']['devices'][0], name='d', count=2048, flops_per_s=1.0)]), [d.pop(key, None) for key in ("
    "'memory_bytes', 'flops_per_s', 'bandwidth_bytes_per_s', 'controller')], d.update(intervals=100000)),"
    " 'heads-small')",
}
SCRIPT = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
from placewise.instances import read, to_document
from placewise.cli.main import main
N = 250 * 2**20
def bomb(change, name="hand-pipeline"):
    document = to_document(read(name))
    change(document)
    return json.dumps(document)
with open(sys.argv[1], "w") as stream:
    stream.write({text})
began = time.monotonic()
status = main(["check", sys.argv[1], "x"])
assert time.monotonic() - began < 60
sys.exit(status)
"""


@pytest.mark.parametrize("kind", LARGE)
def test_bombs(kind, tmp_path):
    """Small or large files that mean gigabytes are refused within 3 GiB of address space."""
    file = tmp_path / "bomb.json"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{text}", LARGE[kind]), file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "expected at most" in done.stderr or "expected tables of at most" in done.stderr


def test_the_limit_of_lists_is_beyond_any_instance():
    """A cluster of 4,096 devices with a matrix of bandwidths has 4,097 lists for it."""
    assert LARGEST_CONTAINERS > 100 * 4097
    assert attempt(read_instance, READERS[read_instance][0])
