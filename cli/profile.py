"""measure this machine as a device of a cluster file, or read what llama-bench and iperf3 measured"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.cli.streams import note
from placewise.instances.files import blaming, read_json
from placewise.instances.importers.iperf3 import is_iperf3, links_document, read_iperf3
from placewise.instances.importers.llama_bench import is_llama_bench, read_llama_bench
from placewise.instances.strict_json import clean_name
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "sources",
        metavar="SRC",
        nargs="*",
        help="what llama-bench -o json wrote on one device, or iperf3 -J between several (default: measure here)",
    )
    parser.add_argument(
        "--name", metavar="N", help="of the device (default: this machine's, or what a file names)"
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS=NAME",
        action="append",
        default=[],
        help="device of an address in iperf3's files",
    )
    parser.add_argument("--output", metavar="F", help="file to write (default: standard output)")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Measure or read, and write the entry."""
    document = _imported(options) if options.sources else _measured(options.name)
    if options.output:
        output.save(options.output, document)
    if options.json:
        output.print_json({"format": "placewise-profile/1", **document})
    elif not options.output:
        output.print_json(document)
    return output.SOLVED


def _measured(name: str | None) -> dict[str, Any]:
    from placewise.benchmarks.machine.measure import measure, measure_card

    base = clean_name(name or platform.node(), "this-machine")
    found = [measure(base)]
    card = measure_card(f"{base}-cuda")
    for device in [*found, *([card] if card else [])]:
        spread = ", ".join(f"{key} {value:.0%}" for key, value in device.spread.items())
        note(
            f"{device.name}: {device.how}; {device.seconds:.1f} s; best of the repetitions, which spread by {spread}"
        )
    return {"devices": [device.entry() for device in [*found, *([card] if card else [])]]}


def _imported(options: argparse.Namespace) -> dict[str, Any]:
    documents = {source: read_json(source) for source in options.sources}
    devices, links = [], []
    for source, document in documents.items():
        with blaming(source):
            if is_llama_bench(document):
                benchmark = read_llama_bench(document)
                devices.append(benchmark.entry(options.name))
                note(
                    f"{source}: rates reached with {benchmark.model}; memory is not measured: state memory_bytes"
                )
            elif is_iperf3(document):
                links.append(read_iperf3(document))
            else:
                raise PlacewiseError(f"{source}: expected what llama-bench -o json or iperf3 -J writes")
    found: dict[str, Any] = {"devices": devices} if devices else {}
    return found | (links_document(links, _hosts(options.host)) if links else {})


def _hosts(stated: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in stated]
    for text, (address, _, name) in zip(stated, pairs, strict=True):
        if not address or not name:
            raise PlacewiseError(f"--host: expected ADDRESS=NAME, found {text!r}")
    return {address: name for address, _, name in pairs}
