"""Instances are values: equal where everything in them is, from Python, a dict or a file, here or in another process."""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

import placewise
from placewise import Cluster, Device, EdgeShardLatency, InstanceError, Layer, PlacewiseError, read, write
from placewise.instances import instance_hash, shipped_instances, to_document
from placewise.instances.generation import generate
from placewise.instances.registry import FORMATS
from placewise.models.dilemma import DilemmaInstance
from placewise.models.edgeshard import EdgeShardBatchInstance, EdgeShardInstance, EdgeShardThroughput
from placewise.models.edgeshard.cost import time_tables
from placewise.models.head_migration import DecoderInstance, HeadMigrationInstance
from placewise.models.registry import PROBLEMS

DRAWN = [(problem, "tiny", seed) for problem in FORMATS for seed in range(12)]
LARGE = [(problem, next(iter(known.families)), 1) for problem, known in FORMATS.items()]


def small_chain():
    """Return an instance from numbers, as anyone would write them."""
    cluster = Cluster(
        devices=[Device("laptop", 16e9, 5e12, 100e9), Device("board", 8e9, 1e12, 50e9) * 3],
        bandwidth_bytes_per_s={"default": 6.25e6, "links": [["board-0", "laptop", 1e6]]},
        latency_s=0.001,
    )
    decoder = Layer("decoder", 8e8, 16384, flops=4e8, weight_bytes=8e8)
    layers = [Layer("embedding", 5e8, 16384, 0, 16384), decoder * 32]
    return EdgeShardLatency(cluster, layers, source="laptop", return_bytes=4, name="mine")


DOCUMENT = {
    "format": "placewise/1",
    "problem": "edgeshard-latency",
    "name": "mine",
    "cluster": {
        "devices": [
            {"name": "laptop", "memory_bytes": 16e9, "flops_per_s": 5e12, "memory_bytes_per_s": 100e9},
            {
                "name": "board",
                "count": 3,
                "memory_bytes": 8e9,
                "flops_per_s": 1e12,
                "memory_bytes_per_s": 50e9,
            },
        ],
        "bandwidth_bytes_per_s": {"default": 6.25e6, "links": [["board-0", "laptop", 1e6]]},
        "latency_s": 0.001,
    },
    "model": {
        "layers": [
            {
                "name": "embedding",
                "memory_bytes": 5e8,
                "output_bytes": 16384,
                "flops": 0,
                "weight_bytes": 16384,
            },
            {"name": "decoder", "memory_bytes": 8e8, "output_bytes": 16384, "flops": 4e8, "weight_bytes": 8e8}
            | {"repeat": 32},
        ]
    },
    "source_device": "laptop",
    "return_bytes": 4,
}


def test_python_a_dict_and_a_file_say_the_same(tmp_path):
    """Equal, with equal hashes here and of the document; what is written is read as equal again."""
    mine, path = small_chain(), tmp_path / "mine.json"
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    assert mine == read(DOCUMENT) == read(path) == read(str(path))
    assert len({mine, read(DOCUMENT), read(path)}) == 1
    write(mine, path)
    assert read(path) == mine
    assert instance_hash(read(path)) == instance_hash(mine) == instance_hash(read(DOCUMENT))


@pytest.mark.parametrize(("problem", "family", "seed"), DRAWN + LARGE)
def test_a_document_says_all_of_an_instance(problem, family, seed):
    """Written to JSON and read it is equal, for every problem and family."""
    instance = generate(problem, family, seed=seed)
    again = read(json.loads(json.dumps(to_document(instance))))
    assert again == instance
    assert (hash(again), instance_hash(again)) == (hash(instance), instance_hash(instance))
    assert type(again).problem == instance.problem == problem


#: What the clusters of a problem leave out.
LEFT_OUT = {"graph-throughput": "latency", "graph-latency": "latency", "replicated-throughput": "memory"}


def differing(instance):
    """Yield the instance with each of its fields changed a little, where a change is allowed."""
    cluster = instance.cluster
    yield replace(instance, name="other")
    left_out = LEFT_OUT.get(instance.problem)
    if left_out != "latency":
        yield replace(instance, cluster=replace(cluster, latency_s=cluster.latency_s + 1))
    memory = cluster.memory_bytes.copy()
    memory[-1] += 1
    if left_out != "memory":
        yield replace(instance, cluster=replace(cluster, memory_bytes=memory))
    for field in fields(instance):
        value = getattr(instance, field.name)
        if isinstance(value, np.ndarray):
            changed = value.copy()
            changed.flat[-1] += 0.5
            yield replace(instance, **{field.name: changed})
        elif field.name in ("description", "reference"):
            yield replace(instance, **{field.name: value + "."})
        elif field.name in ("tokens", "return_bytes", "tokens_per_interval"):
            yield replace(instance, **{field.name: value + 1})


@pytest.mark.parametrize("problem", PROBLEMS)
def test_whatever_differs_makes_it_another(problem):
    """Name, one byte of memory, a latency, a time: no two of them are equal, and copies of each are."""
    instance = generate(problem, "tiny", seed=2)
    several = [instance, *differing(instance)]
    assert len(set(several)) == len(several) >= 4
    assert len({instance_hash(one) for one in several}) == len(several)
    for one in several:
        for twin in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), replace(one)):
            assert twin == one
            assert hash(twin) == hash(one)
            assert repr(twin) == repr(one)


def test_a_hash_of_a_process_stays_in_it():
    """Texts hash differently elsewhere: a pickled instance takes its hash anew."""
    mine = small_chain()
    assert hash(mine)
    code = (
        "import pickle, sys, placewise, json; a = pickle.load(sys.stdin.buffer);"
        f"b = placewise.read(json.loads({json.dumps(DOCUMENT)!r})); print(a == b, hash(a) == hash(b), len({{a, b}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(mine), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == ["True", "True", "1"]


def test_tables_are_kept_for_equal_instances():
    """The same value twice computes its tables once."""
    assert time_tables(small_chain()) is time_tables(read(DOCUMENT))


def test_hashes_of_version_0_1_stand():
    """Records of earlier versions name instances by these: one per kind of problem, to the first twelve digits."""
    known = {
        "hand-split": "b6b2741d59eb",
        "llama2-7b-testbed": "d2549bc25783",
        "hand-batch": "2befe0be9dad",
        "dilemma-loophole-as-printed": "9c2777e03932",
        "dilemma-loophole-corrected": "a927b23d1ee2",
        "heads-decoder-2-layers": "b4de26ba7fc6",
    }
    assert {name: instance_hash(read(name))[:12] for name in known} == known


def test_repr_is_short():
    """Name and sizes, no arrays, for every shipped instance."""
    for name in shipped_instances():
        assert repr(read(name)).startswith(f"{type(read(name)).__name__}('{name}': ")
        assert len(repr(read(name))) < 200
    assert repr(small_chain()) == "EdgeShardLatency('mine': 33 layers on 4 devices, times from rates)"


def test_what_no_file_can_say_is_not_written(tmp_path):
    """A name that a terminal would obey, a length at a placement that is not stated: refused before writing."""
    for wrong, line in (
        (replace(small_chain(), name="\x1b[2J"), "name: expected printable text"),
        (replace(read("hand-batch"), name=""), "name: expected at least 1 characters"),
        (
            replace(generate("head-migration", "tiny", seed=0), initial=None, initial_length=3),
            "initial_length",
        ),
    ):
        with pytest.raises(InstanceError, match=line):
            write(wrong, tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []


def test_the_arguments_of_version_0_1():
    """Names, positions and ``problem=`` as before, with a warning; a misspelt problem is one line."""
    mine = small_chain()
    old = {field.name: getattr(mine, field.name) for field in fields(mine)}
    old["compute_time_s"] = mine.compute_time_s
    with pytest.warns(DeprecationWarning, match="EdgeShardThroughput"):
        pipeline = EdgeShardInstance(problem="edgeshard-throughput", **old)
    assert type(pipeline) is EdgeShardThroughput
    assert isinstance(pipeline, EdgeShardInstance)
    with pytest.warns(DeprecationWarning, match="EdgeShardLatency"):
        placed = EdgeShardInstance(
            "x", "edgeshard-latency", mine.cluster, mine.layers, mine.compute_time_s, 0, 4
        )
    assert placed == replace(mine, name="x", compute_time_s=mine.compute_time_s)
    with pytest.warns(DeprecationWarning, match="EdgeShardThroughput"):
        assert replace(mine, problem="edgeshard-throughput") == EdgeShardThroughput.of(mine)
    with pytest.raises(InstanceError, match="problem: expected edgeshard-latency or edgeshard-throughput"):
        EdgeShardInstance(problem="edgeshard-latencyy", **old)
    with pytest.raises(InstanceError, match="problem: expected EdgeShardLatency or EdgeShardThroughput"):
        EdgeShardInstance(mine.cluster, mine.layers)
    with pytest.raises(InstanceError, match="problem: expected dilemma, found 'head-migration'"):
        placewise.Dilemma(problem="head-migration")
    assert (DilemmaInstance, EdgeShardBatchInstance) == (placewise.Dilemma, placewise.EdgeShardBatch)
    assert (HeadMigrationInstance, DecoderInstance) == (
        placewise.HeadMigration,
        placewise.HeadMigrationDecoder,
    )


def test_a_dict_that_is_no_instance_is_one_line():
    """As a file, without a file's name."""
    with pytest.raises(PlacewiseError, match=r"^format: expected 'placewise/1', found null$"):
        read({})
