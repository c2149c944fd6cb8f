"""turn a published model with a cluster file, or other tools' profiles and graphs, into an instance"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.cli.rules import add_rule_options, with_rules
from placewise.instances import convert, read, to_document, write
from placewise.models.errors import PlacewiseError
from placewise.models.registry import PROBLEMS

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="SRC",
        nargs="+",
        help="config.json of a Llama, Mistral, Qwen or OPT model; a GGUF file; a HALDA model profile and device "
        "profiles; a layer graph of dnn-partitioning; Helix' cluster .ini with a JSON file of node_types and model",
    )
    add_cluster_options(parser)
    add_rule_options(parser)
    parser.add_argument("--quantization", metavar="Q", help="of a profile that covers several, as in Q4_K")
    parser.add_argument("--name", metavar="N", help="of the model (default: its file's or folder's)")
    parser.add_argument("--output", metavar="F", help="file to write (default: standard output)")


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add what a published model needs to become an instance."""
    parser.add_argument(
        "--cluster",
        metavar="F",
        help="for a config.json or GGUF file: devices and links, with units or in SI",
    )
    parser.add_argument(
        "--problem",
        metavar="P",
        help=f"{', '.join(PROBLEMS)} (default: the first), or one of another package",
    )
    parser.add_argument("--sequence-length", type=int, metavar="N", help="tokens of KV cache (default 1024)")


def add_instance_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that takes an instance takes beside it: a cluster for a model, and rules."""
    add_cluster_options(parser)
    add_rule_options(parser)


def converted(options: argparse.Namespace, sources: list[str], **settings: str | None) -> Any:
    """Return the instance of other tools' files, as the options say."""
    return convert(
        sources,
        cluster=options.cluster,
        problem=options.problem or next(iter(PROBLEMS)),
        sequence_length=options.sequence_length,
        **settings,
    )


def instance_of(options: argparse.Namespace, source: str) -> Any:
    """Return the instance of a file, or of a model on the cluster that the options name, with the rules that they ask."""
    if options.cluster:
        return with_rules(converted(options, [source]), options, contiguous=True)
    for option in ("problem", "sequence_length"):
        if getattr(options, option) is not None:
            raise PlacewiseError(
                f"--{option.replace('_', '-')}: expected together with --cluster; an instance states it"
            )
    return with_rules(read(source), options)


def run(options: argparse.Namespace) -> int:
    """Write the instance."""
    instance = converted(options, options.sources, quantization=options.quantization, name=options.name)
    instance = with_rules(instance, options)
    if options.output:
        write(instance, options.output)
    else:
        output.print_json(to_document(instance))
    return output.SOLVED
