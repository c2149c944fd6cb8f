"""Public facts, and generators that repeat themselves."""

import pytest

from placewise.instances import read, to_document
from placewise.instances.catalogue import catalogued, device_type, transformer
from placewise.instances.generation import generate
from placewise.instances.registry import FORMATS
from placewise.models.errors import PlacewiseError

#: Parameters as published; the count of a decoder without the input embedding's norm differs by less than 0.1 %.
PUBLISHED = {"llama2-7b": 6.738e9, "llama2-13b": 13.016e9, "llama2-70b": 68.977e9, "smollm2-135m": 134.5e6}


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_transformers_have_their_published_size(name, parameters):
    """Embedding, decoder layers, final norm and head; SmolLM2 shares embedding and head."""
    shape = transformer(name)
    tables = 1 if name.startswith("smollm2") else 2
    total = (
        shape.decoder_layers * shape.decoder_parameters + tables * shape.vocabulary_size * shape.hidden_size
    )
    assert total == pytest.approx(parameters, rel=1e-3)


def test_every_catalogue_entry_names_its_source():
    """A number without a source is a rumour."""
    for name in catalogued("devices"):
        assert device_type(name).source
    for name in catalogued("transformers"):
        assert transformer(name).name == name
    with pytest.raises(PlacewiseError, match="not in the catalogue"):
        device_type("cray-1")


@pytest.mark.parametrize(
    ("problem", "family"), [(p, f) for p, known in FORMATS.items() for f in known.families]
)
def test_generators_repeat_themselves(problem, family):
    """The same seed gives the same instance, another seed another, unless all is measured."""
    documents = [to_document(generate(problem, family, seed=seed)) for seed in (5, 5, 6)]
    assert documents[0] == documents[1]
    assert (documents[0] == documents[2]) == (family == "pipeedge")


@pytest.mark.parametrize("model", ["llama2-7b", "llama2-13b", "llama2-70b"])
@pytest.mark.parametrize(("suffix", "rate"), [("", 1.0), ("-10mbps", 10.0)])
def test_the_shipped_testbed_is_the_generated_one(model, suffix, rate):
    """Anyone can make the shipped files again."""
    name = f"{model}-testbed{suffix}"
    made = generate("edgeshard-latency", "testbed", seed=1, name=name, model=model, cloud_mbps=rate)
    assert to_document(read(name)) == to_document(made)


def test_the_testbed_is_the_papers(testbed_7b):
    """12 AGX, 2 NX and one card; 1 Mbps to it, 50 Mbps within 20 % elsewhere."""
    cluster = testbed_7b.cluster
    assert [name.split("-")[0] for name in cluster.device_names] == ["agx"] * 12 + ["nx"] * 2 + ["rtx3090"]
    assert cluster.bandwidth_bytes_per_s[0, 14] == 125_000
    others = cluster.bandwidth_bytes_per_s[1:, 1:]
    assert (others == others.T).all()
    assert 5e6 <= others[others > 0].min() <= others.max() <= 7.5e6


def test_options_are_checked():
    """An unknown option, a wrong type, an unknown family: one line each."""
    for options, line in [
        ({"colour": "red"}, "unknown option 'colour'"),
        ({"devices": "many"}, "devices: expected int, found 'many'"),
        ({"devices": 2}, "devices: expected at least 3"),
    ]:
        with pytest.raises(PlacewiseError, match=line):
            generate("edgeshard-latency", "testbed", seed=1, **options)
    with pytest.raises(PlacewiseError, match="unknown family"):
        generate("edgeshard-latency", "huge", seed=1)
