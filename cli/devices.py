"""list the catalogue of devices: memory, memory bandwidth, arithmetic, and the source of each figure"""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from placewise.cli import output
from placewise.instances.catalogue import device_types
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    import argparse

    from placewise.instances.catalogue import DeviceType

#: A pipe has no width; people paste these lines.
WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        help="show devices whose key, title or kind has all of these words",
    )
    parser.add_argument("--sources", action="store_true", help="show where each device's figures come from")
    output.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """List the devices."""
    found = [
        device
        for device in device_types().values()
        if all(
            word.lower() in f"{device.name} {device.title} {device.kind}".lower() for word in options.words
        )
    ]
    if not found:
        raise PlacewiseError(
            f"no device of the catalogue has {' and '.join(map(repr, options.words))}; placewise devices lists all"
        )
    if options.json:
        listed = {device.name: asdict(device) for device in found}
        output.print_json({"format": "placewise-devices/1", **listed})
        return output.SOLVED
    if options.sources:
        for device in found:
            print("  ".join(filter(None, _row(device))))
            print(f"  {device.source}")
        return output.SOLVED
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    console = Console(highlight=False, emoji=False, width=max(width, WIDTH))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("name", "memory", "bandwidth", "FLOP/s", "of"):
        table.add_column(column, no_wrap=True, justify="left" if column in ("name", "of") else "right")
    for device in found:
        table.add_row(*map(escape, _row(device)))
    console.print(table)
    return output.SOLVED


def _row(device: DeviceType) -> tuple[str, str, str, str, str]:
    sizes = [f"{size / 1e9:g}" for size in device.memory_sizes]
    rate = "-" if device.flops_per_s is None else f"{device.flops_per_s / 1e12:.4g} T"
    memory = f"{', '.join(sizes)} GB" if sizes else "-"
    return device.name, memory, f"{device.memory_bytes_per_s / 1e9:g} GB/s", rate, device.precision
