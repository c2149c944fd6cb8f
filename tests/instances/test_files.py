"""Instance files: strict reading with one clear line, exact round trips, whole writes."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import edgeshard_instances

from placewise.instances import read, to_document, write
from placewise.instances.files import from_document
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError


@given(edgeshard_instances())
def test_round_trip(instance):
    """Written and read back: the same document, hence the same bits."""
    document = to_document(instance)
    assert to_document(from_document(loads(json.dumps(document)))) == document


@pytest.fixture
def document(split):
    return copy.deepcopy(to_document(split))


def place(document, path, value):
    *parents, last = path
    for key in parents:
        document = document[key]
    if value is ...:
        del document[last]
    else:
        document[last] = value


BROKEN = [
    ((("format",), "placewise/2"), "format: expected 'placewise/1', found 'placewise/2'"),
    ((("problem",), "knapsack"), "problem: expected one of edgeshard-latency"),
    ((("colour",), "red"), "colour: unknown key"),
    ((("cluster", "devices", 0, "ram"), 1), "cluster.devices[0].ram: unknown key"),
    ((("name",), ...), "name: expected a value, found none"),
    ((("name",), 3), "name: expected a string, found 3"),
    ((("cluster", "devices"), []), "cluster.devices: expected at least 1 entries, found 0"),
    (
        (("cluster", "devices", 1, "memory_bytes"), -1),
        "cluster.devices[1].memory_bytes: expected >= 0, found -1",
    ),
    (
        (("cluster", "devices", 1, "memory_bytes"), 1.5),
        "cluster.devices[1].memory_bytes: expected a whole number",
    ),
    (
        (("cluster", "devices", 1, "memory_bytes"), "3"),
        "cluster.devices[1].memory_bytes: expected a number, found '3'",
    ),
    ((("cluster", "devices", 1, "memory_bytes"), True), "cluster.devices[1].memory_bytes: expected a number"),
    (
        (("cluster", "devices", 1, "memory_bytes"), None),
        "cluster.devices[1].memory_bytes: expected a number, found null",
    ),
    (
        (("cluster", "devices", 1, "memory_bytes"), 1e300),
        "cluster.devices[1].memory_bytes: expected <= 11258",
    ),
    ((("cluster", "devices", 1, "name"), "a"), "cluster.devices: expected distinct names, found 'a' twice"),
    ((("cluster", "devices", 1, "count"), 0), "cluster.devices[1].count: expected >= 1, found 0"),
    (
        (("cluster", "bandwidth_bytes_per_s"), [[None, 1]]),
        "cluster.bandwidth_bytes_per_s: expected 2 rows, found 1",
    ),
    (
        (("cluster", "bandwidth_bytes_per_s", 1), [1, None, 3]),
        "cluster.bandwidth_bytes_per_s[1]: expected 2 values, found 3",
    ),
    (
        (("cluster", "bandwidth_bytes_per_s", 0, 1), None),
        "cluster.bandwidth_bytes_per_s[0][1]: expected a number, found null",
    ),
    (
        (("cluster", "bandwidth_bytes_per_s"), {"default": 1, "links": [["a", "z", 1]]}),
        "cluster.bandwidth_bytes_per_s.links[0][1]: expected a device of the cluster, found 'z'",
    ),
    (
        (("cluster", "bandwidth_bytes_per_s"), {"default": 1, "links": [["a", "b", 1], ["a", "b", 2]]}),
        "cluster.bandwidth_bytes_per_s.links[1]: expected each link once, found a -> b twice",
    ),
    (
        (("cluster", "bandwidth_bytes_per_s"), {"default": 1, "links": [["a", "a", 1]]}),
        "cluster.bandwidth_bytes_per_s.links[0]: expected two different devices",
    ),
    ((("cluster", "latency_s"), -0.1), "cluster.latency_s: expected >= 0, found -0.1"),
    ((("model", "layers"), []), "model.layers: expected at least 1 entries"),
    (
        (("model", "layers", 1, "output_bytes"), ...),
        "model.layers[1].output_bytes: expected a value, found none",
    ),
    ((("model", "layers", 2, "repeat"), 5000), "model.layers[2].repeat: expected <= 4096"),
    ((("compute_time_s",), [[1, 2]]), "compute_time_s: expected 4 rows, found 1"),
    ((("compute_time_s", 2), [1]), "compute_time_s[2]: expected 2 values, found 1"),
    ((("compute_time_s", 2, 1), -3), "compute_time_s[2][1]: expected >= 0, found -3"),
    ((("compute_time_s",), ...), "compute_time_s: expected 4 x 2 seconds, or flops and weight_bytes"),
    ((("source_device",), "z"), "source_device: expected a device of the cluster, found 'z'"),
    ((("return_bytes",), "1"), "return_bytes: expected a number, found '1'"),
]


@pytest.mark.parametrize(
    ("change", "line"), BROKEN, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_broken_file_names_the_place(document, change, line):
    """One line with the path of the value and what was expected."""
    place(document, *change)
    with pytest.raises(InstanceError) as caught:
        from_document(document)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1 column 1: not JSON"),
        ('{"a": 1,}', "line 1 column "),
        ('{"a": NaN}', "a: expected a finite number, found NaN"),
        ('{"a": [1, {"b": -Infinity}]}', "a[1].b: expected a finite number, found -Infinity"),
        ('{"a": {"b": 1, "b": 2}}', "a.b: expected each key once, found it twice"),
        ('{"x\\ny": 1, "x\\ny": 1}', '"x\\ny": expected each key once'),
        ("[" * 100_000, "not an instance: nested too deeply"),
        ('{"a": 1' + "0" * 5000 + "}", "not JSON: Exceeds the limit"),
    ],
)
def test_broken_json(text, line):
    """Syntax, numbers that are none, repeated keys, nesting and size."""
    with pytest.raises(InstanceError) as caught:
        loads(text)
    assert str(caught.value).startswith(line)


def test_numbers_beyond_floats(document):
    """1e400 reads as infinity and is refused like it."""
    document["return_bytes"] = math.inf
    with pytest.raises(InstanceError, match="return_bytes: expected a finite number"):
        from_document(document)


def test_links_by_name(document):
    """A default, directed exceptions, and symmetry."""
    document["cluster"]["bandwidth_bytes_per_s"] = {"default": 5, "links": [["a", "b", 7]]}
    assert from_document(document).cluster.bandwidth_bytes_per_s.tolist() == [[0, 7], [5, 0]]
    document["cluster"]["bandwidth_bytes_per_s"]["symmetric"] = True
    assert from_document(document).cluster.bandwidth_bytes_per_s.tolist() == [[0, 7], [7, 0]]


def test_counts_and_repeats_expand(document):
    """``count`` devices get numbered names, ``repeat`` layers stand in a row."""
    document["cluster"]["devices"] = [{"name": "n", "count": 3, "memory_bytes": 9}]
    document["cluster"]["bandwidth_bytes_per_s"] = 1.0
    document["model"]["layers"] = [{"name": "l", "memory_bytes": 1, "output_bytes": 1, "repeat": 4}]
    document["compute_time_s"] = [[1, 1, 1]] * 4
    document["source_device"] = "n-2"
    instance = from_document(document)
    assert instance.cluster.device_names == ("n-0", "n-1", "n-2")
    assert (len(instance.layers), instance.source) == (4, 2)


def test_roofline_times(document):
    """Without times a layer takes the longer of computing and reading its weights."""
    del document["compute_time_s"]
    for device in document["cluster"]["devices"]:
        device |= {"flops_per_s": 10.0, "memory_bytes_per_s": 4.0}
    for layer in document["model"]["layers"]:
        layer |= {"flops": 30.0, "weight_bytes": 8.0}
    document["model"]["layers"][1]["weight_bytes"] = 20.0
    assert from_document(document).compute_time_s[:, 0].tolist() == [3.0, 5.0, 3.0, 3.0]


def test_files(tmp_path, split):
    """Missing, foreign and unreadable files are one line; a written one is read back."""
    write(split, tmp_path / "x.json")
    assert to_document(read(tmp_path / "x.json")) == to_document(split)
    for name, content, line in [
        ("absent", None, "no such file, and no shipped instance"),
        ("bytes", b"\xff\xfe", "not UTF-8 at byte 0"),
        ("list", b"[]", "expected an object, found a list"),
    ]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(PlacewiseError, match=line):
            read(path)
    with pytest.raises(PlacewiseError, match="Is a directory"):
        read(tmp_path)


def test_nothing_is_half_written(tmp_path, split, monkeypatch):
    """When writing fails the old file stands and no other is left."""
    target = tmp_path / "x.json"
    target.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(PlacewiseError, match="cannot write: No space left on device"):
        write(split, target)
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    with pytest.raises(PlacewiseError, match="cannot write"):
        write(split, tmp_path / "absent" / "x.json")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_no_document_makes_a_traceback(document):
    """Whatever is parsed, it is an instance or one line."""
    with pytest.raises(InstanceError):
        from_document(document)


def test_arrays_are_read_only(split):
    """An instance does not change under a method's hands."""
    with pytest.raises(ValueError, match="read-only"):
        split.compute_time_s[0, 0] = 5
    assert isinstance(split.memory_bytes, np.ndarray)
