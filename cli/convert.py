"""turn a published model with a cluster file, or other tools' profiles and graphs, into an instance"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from placewise.cli import output, streams
from placewise.cli.rules import add_rule_options, with_rules
from placewise.instances import convert, read, to_document, write
from placewise.instances.importers.cache import TYPES
from placewise.models.errors import PlacewiseError, PlacewiseWarning
from placewise.models.registry import PROBLEMS

if TYPE_CHECKING:
    import argparse


#: What only a published model is read with.
MODEL_OPTIONS = (
    "problem",
    "sequence_length",
    "cache_type",
    "full_cache",
    "split_experts",
    "ignore_key",
    "returns",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="SRC",
        nargs="+",
        help="a published model: its folder, config.json, safetensors or GGUF files; a HALDA model profile and device profiles; a layer graph "
        "of dnn-partitioning; Helix' cluster .ini with a JSON file of node_types and model",
    )
    add_cluster_options(parser)
    add_rule_options(parser)
    parser.add_argument("--quantization", metavar="Q", help="of a profile that covers several, as in Q4_K")
    parser.add_argument("--name", metavar="N", help="of the model (default: its file's or folder's)")
    parser.add_argument("--output", metavar="F", help="file to write (default: standard output)")
    output.add_json_option(parser)


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
    parser.add_argument(
        "--returns",
        choices=("token", "logits"),
        help="what goes back to the source: the token (default), or the logits, where the source samples, as llama.cpp does",
    )
    parser.add_argument(
        "--sequence-length", "--context", type=int, metavar="N", help="tokens of KV cache (default 1024)"
    )
    parser.add_argument(
        "--cache-type",
        metavar="T",
        choices=list(TYPES),
        help=f"of the KV cache: {', '.join(TYPES)} (default: f16)",
    )
    parser.add_argument(
        "--full-cache", action="store_true", help="layers with a window keep all tokens, as some runtimes do"
    )
    parser.add_argument(
        "--split-experts",
        action="store_true",
        help="attention and experts of a layer may be on different devices",
    )
    parser.add_argument(
        "--ignore-key",
        action="append",
        metavar="KEY",
        help="of the model's file: it changes neither sizes nor times (may be given several times)",
    )


def add_instance_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that takes an instance takes beside it: a cluster for a model, and rules."""
    add_cluster_options(parser)
    add_rule_options(parser)


def converted(options: argparse.Namespace, sources: list[str], **settings: str | None) -> Any:
    """Return the instance of other tools' files, as the options say."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", PlacewiseWarning)
        instance = convert(
            sources,
            cluster=options.cluster,
            problem=options.problem or next(iter(PROBLEMS)),
            sequence_length=options.sequence_length,
            returns=options.returns or "token",
            cache_type=options.cache_type or "",
            full_cache=options.full_cache,
            split_experts=options.split_experts,
            ignore_keys=options.ignore_key or (),
            **settings,
        )
    for warning in said:
        if issubclass(warning.category, PlacewiseWarning):
            if getattr(options, "quiet", False):
                continue
            streams.note(f"placewise {options.command}: {warning.message}")
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return instance


def instance_of(options: argparse.Namespace, source: str) -> Any:
    """Return the instance of a file, or of a model on the cluster that the options name, with the rules that they ask."""
    if options.cluster:
        return with_rules(converted(options, [source]), options, contiguous=True)
    for option in MODEL_OPTIONS:
        if getattr(options, option) is not None and getattr(options, option) is not False:
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
    if options.json or not options.output:
        output.print_json(to_document(instance))
    return output.SOLVED
