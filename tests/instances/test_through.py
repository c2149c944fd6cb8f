"""What a runtime adds to links: messages that pass a device, logits that go back."""

import json

import numpy as np
import pytest
from readers import CONFIG

from placewise.instances import convert
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.models.edgeshard import evaluate_latency
from placewise.models.errors import InstanceError, PlacewiseError

DEVICE = {"memory_bytes": 1e9, "flops_per_s": 1e9, "memory_bytes_per_s": 1e9}
CLUSTER = {
    "devices": [{"name": name, **DEVICE} for name in "abc"],
    "bandwidth_bytes_per_s": {"default": 1e6, "links": [["a", "c", 5e5], ["b", "c", 9e9], ["c", "a", 0]]},
    "latency_s": {"default": 0.001, "links": [["a", "c", 0.004], ["b", "c", 1e-9]]},
}


@pytest.fixture
def model(tmp_path):
    """Return a model's file."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path / "config.json"


def test_what_passes_a_device_takes_both_links():
    """First one, then the other, with what each receiver adds; links of the device itself stay, and so do missing ones."""
    plain = read_cluster_file(CLUSTER | {"hop_overhead_s": 0.01}).cluster
    passed = read_cluster_file(CLUSTER | {"hop_overhead_s": 0.01, "through": "a"}).cluster
    for size in (1.0, 1e3, 1e6):
        before, after = plain.transfer_time_s(size), passed.transfer_time_s(size)
        np.testing.assert_array_equal(after[0], before[0])
        np.testing.assert_array_equal(after[:, 0], before[:, 0])
        assert after[1, 2] == pytest.approx(before[1, 0] + before[0, 2])
        assert after[2, 1] == np.inf
        assert after[1, 1] == 0


def test_logits_go_back(model):
    """Four bytes for each token of the vocabulary, in place of four in all."""
    cluster = read_cluster_file({**CLUSTER, "bandwidth_bytes_per_s": 1e6}).cluster
    token, logits = (convert(model, cluster=cluster, returns=what) for what in ("token", "logits"))
    assert (token.return_bytes, logits.return_bytes) == (4, 4 * CONFIG["vocab_size"])
    assert "logits of 0.4 KB go back" in logits.description
    away = (0, 1, 1, 1)
    longer = evaluate_latency(logits, away).objective - evaluate_latency(token, away).objective
    assert longer == pytest.approx(4 * (CONFIG["vocab_size"] - 1) / 1e6)


@pytest.mark.parametrize(
    ("arguments", "told"), [({"problem": "dilemma"}, "EdgeShard"), ({}, "token or logits")]
)
def test_what_cannot_go_back(model, arguments, told):
    """Problems without a way back, and words that are none."""
    cluster = read_cluster_file({**CLUSTER, "bandwidth_bytes_per_s": 1e6}).cluster
    with pytest.raises(PlacewiseError, match=f"--returns: expected .*{told}"):
        convert(model, cluster=cluster, returns="logits" if arguments else "both", **arguments)


def test_nobody_to_pass():
    """One line with the path; what others call the key is named."""
    with pytest.raises(InstanceError, match="through: expected a device"):
        read_cluster_file(CLUSTER | {"through": "x"})
    with pytest.raises(InstanceError, match="did you mean through"):
        read_cluster_file(CLUSTER | {"via": "a"})
