"""From other tools' files to an instance: what each file is, and who reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances.files import blaming, read_json, read_text
from placewise.instances.importers import helix
from placewise.instances.importers.cluster_file import read_cluster_file
from placewise.instances.importers.helix_replicas import read_cluster_ini
from placewise.instances.importers.model_files import ModelOptions, model_name, reader_of
from placewise.instances.importers.source import noted, with_source
from placewise.instances.registry import formats
from placewise.instances.strict_json import loads
from placewise.models.edgeshard import EdgeShardBatch, EdgeShardInstance
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.graph.problems import GRAPH, GRAPH_LATENCY
from placewise.models.nearest import meant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.instances.importers.transformer_config import PublishedModel
    from placewise.models.cluster import Cluster

DEFAULT_LENGTH = 1024
#: What goes back to the source.
TOKEN, LOGITS = "token", "logits"
#: Runtimes sample from single precision.
LOGIT_BYTES = 4


def convert(
    sources: str | Path | Sequence[str | Path],
    *,
    cluster: str | Path | Cluster | None = None,
    problem: str = "edgeshard-latency",
    sequence_length: int | None = None,
    quantization: str | None = None,
    name: str | None = None,
    cache_type: str = "",
    full_cache: bool = False,
    split_experts: bool = False,
    ignore_keys: Sequence[str] = (),
    returns: str = TOKEN,
) -> Any:
    """Return the instance that other tools' files describe.

    Parameters
    ----------
    sources : path or sequence of paths
        A transformer's ``config.json``; a GGUF file, or all its parts; a HALDA model profile with device profiles; a
        layer graph of dnn-partitioning; Helix' cluster as ``.ini`` with a JSON file of its types.
    cluster : path or Cluster, optional
        Devices and links, for a ``config.json`` or GGUF file: as an instance has them, with units, or Helix's ``.ini``.
    problem : str
        Any for a ``config.json``; those of EdgeShard that the others allow, ``graph-throughput`` and
        ``graph-latency`` for a layer graph.
    sequence_length : int, optional
        Tokens of KV cache; by default what a profile states, or 1024.
    quantization : str, optional
        For profiles that cover several.
    name : str, optional
        Of the model; by default the file's or, for a ``config.json``, its folder's.
    cache_type : str
        Of a published model's KV cache, as ``q8_0``; by default 16 bits, or 32 where the model computes in them.
    full_cache : bool
        Whether its layers with a window keep all tokens, as runtimes without windows do.
    split_experts : bool
        Whether its layers with experts become two, attention and experts.
    ignore_keys : sequence of str
        Keys of which somebody knows that they change neither sizes nor times.
    returns : str
        What the last layer's device sends to the source: the ``token``, or the ``logits`` (four bytes for each token of
        the vocabulary), where the source samples. EdgeShard problems.

    Raises
    ------
    PlacewiseError
        In one line: which file, where, and what was expected.
    """
    if returns not in (TOKEN, LOGITS):
        raise PlacewiseError(f"--returns: expected {TOKEN} or {LOGITS}, found {returns!r}")
    paths = [str(path) for path in ([sources] if isinstance(sources, str | Path) else sources)]
    if sequence_length is not None and not 1 <= sequence_length <= 2**30:
        raise PlacewiseError(f"--sequence-length: expected at least 1, found {sequence_length}")
    length = sequence_length or DEFAULT_LENGTH
    if any(path.endswith(".ini") for path in paths):
        return _from_ini(paths, name)
    options = ModelOptions(cache_type, full_cache, split_experts, tuple(ignore_keys))
    read_model = reader_of(paths, options)
    if read_model is not None:
        with blaming(*paths):
            model = options.of(read_model(model_name(name, paths[0])), length)
        return _on_cluster(model, cluster, problem, length, returns)
    if options != ModelOptions():
        raise PlacewiseError(f"{paths[0]}: expected a published model with --cache-type and the like")
    if returns != TOKEN:
        raise PlacewiseError("--returns: expected with a published model; a profile or a graph says less")
    documents = {path: read_json(path) for path in paths}
    from placewise.instances.importers import branching, halda, layer_graph  # only now: models and formats

    if layer_graph.is_layer_graph(documents[paths[0]]):
        with blaming(*paths):
            _alone(paths)
            read = (
                branching.instance_of
                if problem in (GRAPH.name, GRAPH_LATENCY.name)
                else layer_graph.instance_of
            )
            return read(documents[paths[0]], problem, name=model_name(name, paths[0]))
    if any(halda.is_model_profile(document) for document in documents.values()):
        return _from_profiles(documents, problem, name, quantization, sequence_length)
    raise PlacewiseError(
        f"{paths[0]}: expected a transformer's config.json, with a model_type, a GGUF file, a HALDA model profile, "
        "or a layer graph"
    )


def _from_ini(paths: list[str], name: str | None) -> Any:
    clusters, types = (
        [path for path in paths if path.endswith(".ini") is wanted] for wanted in (True, False)
    )
    if len(clusters) != 1 or len(types) != 1:
        raise PlacewiseError(
            f"{clusters[0]}: expected with it one JSON file that has node_types and model, such as an instance of "
            "replicated-throughput"
        )
    return read_cluster_ini(clusters[0], types[0], name=model_name(name, clusters[0]))


def _alone(paths: list[str]) -> None:
    if len(paths) > 1:
        raise InstanceError("", "expected one file")


def _on_cluster(
    model: PublishedModel, cluster: str | Path | Cluster | None, problem: str, length: int, returns: str
) -> Any:
    if cluster is None:
        raise PlacewiseError("--cluster: expected a file with devices and links")
    if not isinstance(cluster, str | Path):
        return _returning(instance_of(model, cluster, problem, length), model, returns)
    with blaming(cluster):
        text = read_text(cluster)
        found = read_cluster_file(helix.cluster_document(text) if helix.is_helix(text) else loads(text))
        instance = with_source(instance_of(model, found.cluster, problem, length), found.source)
        return noted(_returning(instance, model, returns), found.note)


def _returning(instance: Any, model: PublishedModel, returns: str) -> Any:
    """Return the instance in which the last layer's device sends the source what it is asked for."""
    if returns == TOKEN:
        return instance
    if not isinstance(instance, EdgeShardInstance | EdgeShardBatch):
        raise PlacewiseError(f"--returns: expected one of the EdgeShard problems, found {instance.problem}")
    size = float(LOGIT_BYTES * model.vocabulary_size)
    text = f"{instance.description}; logits of {size / 1e3:.4g} KB go back to the source"
    return replace(instance, return_bytes=size, description=text)


def instance_of(model: PublishedModel, cluster: Cluster, problem: str, sequence_length: int) -> Any:
    """Return the instance of a problem.

    Parameters
    ----------
    model : PublishedModel
        What is placed.
    cluster : Cluster
        Where; the first device is the source, or the controller.
    problem : str
        One whose format takes a published model.
    sequence_length : int
        Tokens of KV cache per layer.

    Raises
    ------
    PlacewiseError
        Where no such problem takes a published model.
    """
    known = {name: described.from_model for name, described in formats().items()}
    build = known.get(problem)
    if build is None:
        expected = ", ".join(name for name, importer in known.items() if importer is not None)
        raise PlacewiseError(
            f"--problem: expected one of {expected}, found {problem!r}{meant(problem, known)}"
        )
    return build(model, cluster, sequence_length)


def _from_profiles(
    documents: dict[str, Any],
    problem: str,
    name: str | None,
    quantization: str | None,
    sequence_length: int | None,
) -> Any:
    from placewise.instances.importers import halda

    models = [path for path, document in documents.items() if halda.is_model_profile(document)]
    devices = [path for path, document in documents.items() if halda.is_device_profile(document)]
    for path in documents:
        if path not in (*models[:1], *devices):
            raise PlacewiseError(f"{path}: expected one model profile and device profiles beside it")
    with blaming(models[0], *devices):
        return halda.instance_of(
            documents[models[0]],
            [documents[path] for path in devices],
            problem,
            name=model_name(name, models[0]),
            quantization=quantization,
            sequence_length=sequence_length,
        )
