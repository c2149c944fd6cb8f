"""Devices and links from Python as shortly as in a file, and one line for what is wrong."""

import numpy as np
import pytest

from placewise import Cluster, Device, InstanceError

A, B = Device("a", 24e9, flops_per_s=1e12), Device("b", 8)


def test_devices_and_columns_say_the_same():
    """One object per device, or one array per property: equal clusters."""
    cluster = Cluster(devices=[A, B * 2], bandwidth_bytes_per_s=5, latency_s=0.5)
    columns = Cluster(
        ["a", "b-0", "b-1"], [24e9, 8, 8], np.full((3, 3), 5.0), 0.5, flops_per_s=[1e12, np.nan, np.nan]
    )
    assert cluster == columns
    assert hash(cluster) == hash(columns)
    assert cluster.devices == (A, Device("b-0", 8), Device("b-1", 8))
    assert cluster.latency_s.tolist() == [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    assert (cluster.memory_bytes.dtype, cluster.memory_bytes_per_s) == (np.int64, None)
    assert repr(cluster) == "Cluster(3 devices: a, b-0, b-1)"


def test_links_that_differ():
    """A default and overrides: as a mapping of pairs, as a file lists them, in one direction or both."""
    one_way = Cluster.mesh([A, B], bandwidth_bytes_per_s=5, links={("a", "b"): 7})
    assert one_way.bandwidth_bytes_per_s.tolist() == [[0, 7], [5, 0]]
    both = Cluster.mesh([A, B], bandwidth_bytes_per_s=5, links={("a", "b"): 0}, symmetric=True)
    assert both.bandwidth_bytes_per_s.tolist() == [[0, 0], [0, 0]]
    listed = {"default": 5, "links": [["a", "b", 7]]}
    assert Cluster(devices=[A, B], bandwidth_bytes_per_s=listed) == one_way
    slow = Cluster(
        devices=[A, B], bandwidth_bytes_per_s=5, latency_s={"default": 0, "links": [("b", "a", 3)]}
    )
    assert slow.latency_s.tolist() == [[0, 0], [3, 0]]


def test_a_device_by_name_or_index():
    """What a person writes and what a loop counts."""
    cluster = Cluster.mesh([A, B * 2], bandwidth_bytes_per_s=1)
    assert [cluster.index(device) for device in ("b-1", 2, np.int64(2))] == [2, 2, 2]


def test_what_is_not_compared():
    """The diagonal, a zero's sign, how a number was written, the kind of the sequence."""
    one = Cluster(("a", "b"), (1, 2), [[9, -0.0], [1, 9]], [[0.0, -0.0], [0, 0]], [np.nan, np.nan])
    assert one == Cluster(["a", "b"], np.array([1.0, 2.0]), [[None, 0], [1, None]], 0)
    assert one != Cluster(["a", "c"], [1, 2], [[0, 0], [1, 0]])
    assert one != "a"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"devices": []}, "cluster.devices: expected at least one device"),
        ({"devices": ["a"]}, r"cluster.devices\[0\]: expected a Device, found str"),
        ({"devices": [A, A]}, "cluster.devices: expected distinct names, found 'a' twice"),
        ({"device_names": ["a"]}, "cluster.devices: expected devices, or columns of numbers, not both"),
        ({"devices": None}, "cluster.devices: expected devices, or device_names"),
        ({"devices": [Device(3, 1)]}, "cluster.devices.name: expected a str, found int"),
        ({"devices": [Device("a", 1.5)]}, r"cluster.devices.memory_bytes\[0\]: expected a whole number"),
        ({"devices": [Device("a", None)]}, r"cluster.devices.memory_bytes\[0\]: expected a finite number"),
        (
            {"devices": [Device("a", 1, -1)]},
            r"cluster.devices.flops_per_s\[0\]: expected a finite number >= 0",
        ),
        (
            {"bandwidth_bytes_per_s": None},
            "cluster.bandwidth_bytes_per_s: expected a number, a matrix or links",
        ),
        (
            {"bandwidth_bytes_per_s": "fast"},
            "cluster.bandwidth_bytes_per_s: expected a number or a 2 x 2 matrix",
        ),
        ({"bandwidth_bytes_per_s": [[1]]}, r"cluster.bandwidth_bytes_per_s: expected shape \(2, 2\)"),
        ({"bandwidth_bytes_per_s": {"links": []}}, "cluster.bandwidth_bytes_per_s: expected default, links"),
        (
            {"bandwidth_bytes_per_s": {"default": 1, "link": 2}},
            "cluster.bandwidth_bytes_per_s: .* found link",
        ),
        (
            {"bandwidth_bytes_per_s": {"default": "1"}},
            "cluster.bandwidth_bytes_per_s.default: expected a number",
        ),
        (
            {"bandwidth_bytes_per_s": {"default": 1, "links": ["ab"]}},
            r"cluster.bandwidth_bytes_per_s.links\[0\]: expected a sender, a receiver and a value",
        ),
        (
            {"bandwidth_bytes_per_s": {"default": 1, "links": {("a", "z"): 1}}},
            r"cluster.bandwidth_bytes_per_s.links\[0\]\[1\]: expected a device of the cluster, found 'z'",
        ),
        ({"latency_s": -1}, r"cluster.latency_s\[0\]\[1\]: expected a finite number >= 0"),
    ],
)
def test_what_is_wrong_is_said(options, line):
    """One line with the place."""
    with pytest.raises(InstanceError, match=line):
        Cluster(**({"devices": [A, B], "bandwidth_bytes_per_s": 1.0} | options))
