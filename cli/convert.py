"""turn a model's config.json with a cluster file, or profiles of other tools, into an instance"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.instances import to_document
from placewise.instances.files import read_text, write
from placewise.instances.importers import halda
from placewise.instances.importers.transformer_config import is_config, read_config
from placewise.instances.importers.with_cluster import BUILDERS, instance_of, read_cluster
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    import argparse

DEFAULT_LENGTH = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="SRC",
        nargs="+",
        help="config.json of a Llama, Mistral, Qwen or OPT model; or a HALDA model profile and device profiles",
    )
    parser.add_argument(
        "--cluster", metavar="F", help="for a config.json: devices and links, as in an instance"
    )
    parser.add_argument("--problem", metavar="P", default="edgeshard-latency", help=", ".join(BUILDERS))
    parser.add_argument("--sequence-length", type=int, metavar="N", help="tokens of KV cache")
    parser.add_argument("--quantization", metavar="Q", help="of a profile that covers several, as in Q4_K")
    parser.add_argument("--name", metavar="N", help="of the model (default: its file's or folder's)")
    parser.add_argument("--output", metavar="F", help="file to write (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Write the instance."""
    if options.sequence_length is not None and options.sequence_length < 1:
        raise PlacewiseError(f"--sequence-length: expected at least 1, found {options.sequence_length}")
    documents = {source: _load(source) for source in options.sources}
    first = options.sources[0]
    path = Path(first).absolute()
    name = options.name or (path.parent.name if path.stem == "config" else path.stem) or "model"
    if is_config(documents[first]):
        instance = _from_config(options, documents[first], name)
    elif any(halda.is_model_profile(document) for document in documents.values()):
        instance = _from_profiles(options, documents)
    else:
        raise PlacewiseError(
            f"{first}: expected a transformer's config.json, with a model_type, or a HALDA model profile"
        )
    if options.output:
        write(instance, options.output)
    else:
        output.print_json(to_document(instance))
    return output.SOLVED


def _from_config(options: argparse.Namespace, document: dict[str, Any], name: str) -> Any:
    if options.cluster is None:
        raise PlacewiseError("--cluster: expected a file with devices and links")
    try:
        model = read_config(document, name)
    except InstanceError as error:
        raise PlacewiseError(f"{options.sources[0]}: {error}") from None
    try:
        cluster = read_cluster(_load(options.cluster))
        return instance_of(model, cluster, options.problem, options.sequence_length or DEFAULT_LENGTH)
    except InstanceError as error:
        raise PlacewiseError(f"{options.cluster}: {error}") from None


def _from_profiles(options: argparse.Namespace, documents: dict[str, Any]) -> Any:
    models = [source for source, document in documents.items() if halda.is_model_profile(document)]
    devices = [source for source, document in documents.items() if halda.is_device_profile(document)]
    for source in documents:
        if source not in (*models[:1], *devices):
            raise PlacewiseError(f"{source}: expected one model profile and device profiles beside it")
    try:
        return halda.instance_of(
            documents[models[0]],
            [documents[source] for source in devices],
            options.problem,
            name=options.name or Path(models[0]).stem,
            quantization=options.quantization,
            sequence_length=options.sequence_length,
        )
    except InstanceError as error:
        raise PlacewiseError(f"{', '.join((models[0], *devices))}: {error}") from None


def _load(source: str) -> Any:
    try:
        return loads(read_text(source))
    except InstanceError as error:
        raise PlacewiseError(f"{source}: {error}") from None
