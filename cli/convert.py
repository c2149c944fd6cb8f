"""turn a published model's config.json and a cluster file into an instance of any problem"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.instances import to_document
from placewise.instances.files import read_text, write
from placewise.instances.importers.transformer_config import is_config, read_config
from placewise.instances.importers.with_cluster import BUILDERS, instance_of, read_cluster
from placewise.instances.strict_json import loads
from placewise.models.errors import InstanceError, PlacewiseError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("source", metavar="SRC", help="config.json of a Llama, Mistral, Qwen or OPT model")
    parser.add_argument("--cluster", metavar="F", required=True, help="devices and links, as in an instance")
    parser.add_argument("--problem", metavar="P", default="edgeshard-latency", help=", ".join(BUILDERS))
    parser.add_argument("--sequence-length", type=int, default=1024, metavar="N", help="tokens of KV cache")
    parser.add_argument("--name", metavar="N", help="of the model (default: its folder's)")
    parser.add_argument("--output", metavar="F", help="file to write (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Write the instance."""
    if options.sequence_length < 1:
        raise PlacewiseError(f"--sequence-length: expected at least 1, found {options.sequence_length}")
    document = _load(options.source)
    if not is_config(document):
        raise PlacewiseError(f"{options.source}: expected a transformer's config.json, with a model_type")
    path = Path(options.source).absolute()
    name = options.name or (path.parent.name if path.stem == "config" else path.stem)
    try:
        model = read_config(document, name or "model")
    except InstanceError as error:
        raise PlacewiseError(f"{options.source}: {error}") from None
    clusters = _load(options.cluster)
    try:
        cluster = read_cluster(clusters)
        instance = instance_of(model, cluster, options.problem, options.sequence_length)
    except InstanceError as error:
        raise PlacewiseError(f"{options.cluster}: {error}") from None
    if options.output:
        write(instance, options.output)
    else:
        output.print_json(to_document(instance))
    return output.SOLVED


def _load(source: str) -> Any:
    try:
        return loads(read_text(source))
    except InstanceError as error:
        raise PlacewiseError(f"{source}: {error}") from None
