"""`placewise largest` and `placewise frontier`: what they print, their documents and exit statuses."""

import json

import pytest

from placewise.cli.main import main
from placewise.instances import write
from placewise.instances.generators import generate

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "torch_dtype": "float16",
}
DEVICE = {
    "name": "card",
    "count": 2,
    "memory_bytes": 400_000,
    "flops_per_s": 1e12,
    "memory_bytes_per_s": 1e10,
}


@pytest.fixture
def files(tmp_path):
    config, cluster = tmp_path / "config.json", tmp_path / "cluster.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    cluster.write_text(json.dumps({"devices": [DEVICE], "bandwidth_bytes_per_s": 1e9}), encoding="utf-8")
    return config, "--cluster", cluster


def run(capsys, *arguments):
    """Return exit status, standard output and standard error."""
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_largest_context(capsys, files):
    """Three blocks of 73,984 bytes with 128 per token each, and an end, on a card; the other has one block."""
    status, out, _ = run(capsys, "largest", "context", *files, "--step", 16, "--json")
    document = json.loads(out)
    assert (status, document["format"], document["proven"]) == (0, "placewise-largest/1", True)
    assert document["refused"] == document["value"] + 16
    # Two blocks and an end (12,800 bytes; the head with a norm of 128 more) on each: 2 x 128 bytes of cache per token.
    block = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64)
    assert document["value"] == (400_000 - 2 * block - 12_928) // 256 // 16 * 16


def test_only_the_context_that_was_found_is_warned_of(capsys, files):
    """Not those that were tried on the way to it."""
    files[0].write_text(json.dumps(CONFIG | {"max_position_embeddings": 32}), encoding="utf-8")
    status, out, err = run(capsys, "largest", "context", *files, "--step", 16, "--json")
    (line,) = err.splitlines()
    assert status == 0
    assert f"{json.loads(out)['value']:,} tokens are more than the 32" in line


def test_refusals(capsys, files, tmp_path):
    """What cannot be asked is one line."""
    status, _, err = run(capsys, "largest", "context", files[0])
    assert (status, "--cluster" in err) == (2, True)
    status, _, err = run(capsys, "largest", "context", *files, "--sequence-length", 8)
    assert (status, "--sequence-length" in err) == (2, True)
    status, _, err = run(capsys, "frontier", *files, "--in-flight", 2, "--limits", "x")
    assert (status, "--limits" in err) == (2, True)
    throughput = tmp_path / "other.json"
    write(generate("edgeshard-throughput", "tiny", seed=0), throughput)
    status, _, err = run(capsys, "frontier", throughput)
    assert (status, "expected edgeshard-batch" in err) == (2, True)


def test_frontier_and_sequences_of_an_instance(capsys, tmp_path):
    """A row per limit, the last one without; 24 sequences fit and one more does not."""
    file, drawn = tmp_path / "drawn.json", generate("edgeshard-batch", "tiny-in-flight", seed=4)
    write(drawn, file)
    status, out, _ = run(capsys, "frontier", file, "--limits", 40, "--picture", tmp_path / "f.svg", "--json")
    document = json.loads(out)
    assert (status, document["format"]) == (0, "placewise-frontier/1")
    assert document["points"][-1]["limit_s"] is None
    assert all(point["result"]["status"] == "optimal" for point in document["points"])
    assert (tmp_path / "f.svg").exists()
    status, out, _ = run(capsys, "largest", "sequences", file)
    assert status == 0
    assert "sequences fit, in steps of 1" in out
    assert "do not (proven)" in out
