"""The hash that tells instances of one name apart."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from placewise.instances import read, to_document, write
from placewise.instances.generators import generate
from placewise.instances.identity import instance_hash
from placewise.models.registry import PROBLEMS


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_is_that_of_the_sorted_document(tmp_path, problem):
    """Anyone can compute it; writing and reading, and the order of keys in the file, do not change it."""
    instance = generate(problem, "tiny", seed=1, kind="loose")
    document = to_document(instance)
    assert list(document) != sorted(document)
    text = json.dumps(document, sort_keys=True)
    assert instance_hash(instance) == hashlib.sha256(text.encode()).hexdigest()
    write(instance, tmp_path / "a.json")
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    assert (
        instance_hash(read(tmp_path / "a.json"))
        == instance_hash(read(tmp_path / "b.json"))
        == instance_hash(instance)
    )


def test_every_number_counts(split):
    """One byte of memory more is another instance."""
    more = split.cluster.memory_bytes + np.array([0, 1])
    other = dataclasses.replace(split, cluster=dataclasses.replace(split.cluster, memory_bytes=more))
    assert other.name == split.name
    assert instance_hash(other) != instance_hash(split)
