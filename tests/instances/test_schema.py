"""The shipped JSON Schema says what the reader says."""

import copy
import json

import jsonschema
import pytest

from placewise.instances import shipped_instances
from placewise.instances.schema import json_schema
from placewise.instances.shipped import DATA

SCHEMA = json.loads((DATA / "instance.schema.json").read_text(encoding="utf-8"))


def test_the_shipped_schema_is_current():
    """It is written from the declarations."""
    assert json_schema() == SCHEMA


@pytest.mark.parametrize("path", shipped_instances().values(), ids=lambda path: path.stem)
def test_shipped_instances_meet_the_schema(path):
    """By an independent validator."""
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), SCHEMA)


def test_the_schema_refuses_what_the_reader_refuses():
    """Unknown keys, negative and fractional bytes, a missing name."""
    good = json.loads(shipped_instances()["hand-split"].read_text(encoding="utf-8"))
    for change in (
        {"colour": 1},
        {"return_bytes": -1},
        {"source_device": 3},
        {"cluster": good["cluster"] | {"devices": [{"name": "a", "memory_bytes": 0.5}]}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(copy.deepcopy(good) | change, SCHEMA)
