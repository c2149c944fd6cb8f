"""Reading files: numbers as they are written, devices and links; what is unknown is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
from fractions import Fraction
from math import ceil, floor, inf
from typing import Any

#: Decimal places and digits that a number may have.
LONGEST = 400
Links = list[list[Fraction | None]]


class RefusedError(Exception):
    """Why nothing is certified; the first reason."""


def need(condition: object, message: str) -> None:
    """Raise `RefusedError` unless a condition holds."""
    if not condition:
        raise RefusedError(message)


def number(value: Any, where: str) -> Fraction:
    """Return a number of a file as it is written, a fraction; certificates write fractions as text."""
    kind = isinstance(value, int | Fraction | str) and not isinstance(value, bool)
    need(kind and len(str(value)) <= LONGEST, f"{where}: expected a number")
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise RefusedError(f"{where}: expected a number, found {value!r}") from None


def whole(value: Any, where: str) -> int:
    """Return a whole number >= 0."""
    found = number(value, where)
    need(found.denominator == 1 and found >= 0, f"{where}: expected a whole number >= 0")
    return int(found)


def counted(time: Fraction | None, unit: Fraction | None) -> float:
    """Return a time in whole units, rounded down: infinite where there is none, 0 where times do not count."""
    return inf if time is None else floor(time / unit) if unit else 0


def goal_of(proof: Any, bound: Fraction | None, stated: Fraction | None) -> tuple[Fraction | None, int]:
    """Return the unit of a proof, and how many of them a bound is; None and 1 without, where whatever is left is a placement.

    Refuse a proof of another bound than a stated one.
    """
    found = None if proof["bound"] is None else number(proof["bound"], "proof.bound")
    need(found == stated, f"proof.bound: expected {stated}, found {found}")
    if bound is None:
        need(proof["unit"] is None, "proof.unit: expected null, times are not added")
        return None, 1
    unit = number(proof["unit"], "proof.unit")
    need(unit > 0, "proof.unit: expected > 0")
    return unit, ceil(bound / unit)


def agree(proof: Any, found: dict[str, Any]) -> None:
    """Refuse a proof that states other values than those found."""
    for key, value in found.items():
        need(proof[key] == value, f"proof.{key}: {value}, the proof states {proof[key]}")


def only(part: Any, known: str, where: str) -> None:
    """Refuse keys that this program does not know: they may change what the numbers mean."""
    need(isinstance(part, dict), f"{where}: expected an object")
    for key in part:
        need(key in known.split(), f"{where}.{key}: this program does not know it, so it certifies nothing")


def load(path: str) -> Any:
    """Read a JSON file, gzip or not; decimals become fractions, a key that stands twice is refused."""
    with open(path, "rb") as file:  # noqa: PTH123 - the standard library in its plainest form
        raw = file.read()
    return parse(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)


def parse(text: bytes | str) -> Any:
    """Read JSON: decimals become fractions, a key that stands twice is refused."""

    def decimal(digits: str) -> Fraction:
        exponent = digits.lower().partition("e")[2]
        need(len(digits) <= LONGEST and abs(int(exponent or 0)) <= LONGEST, f"{digits[:20]}: too long")
        return Fraction(digits)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({key for key, _ in pairs}) == len(pairs), "a key stands twice in an object")
        return dict(pairs)

    def constant(word: str) -> None:
        raise RefusedError(f"{word} is no number")

    try:
        return json.loads(text, parse_float=decimal, parse_constant=constant, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"no JSON: {error}") from None


def digest(certificate: dict[str, Any]) -> str:
    """Return the SHA-256 of a certificate without its own: keys sorted, no spaces."""
    rest = {key: value for key, value in certificate.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Cluster:
    """Devices and links of a file."""

    def __init__(self, spec: Any, space: str = "memory_bytes") -> None:
        only(spec, "devices bandwidth_bytes_per_s latency_s", "cluster")
        self.devices: list[dict[str, Any]] = []
        self.names: list[str] = []
        for device in spec["devices"]:
            only(
                device,
                f"name count {space} flops_per_s memory_bytes_per_s layer_overhead_s",
                "cluster.devices",
            )
            count = device.get("count", 1)
            self.devices += [device] * count
            self.names += [device["name"]] if count == 1 else [f"{device['name']}-{n}" for n in range(count)]
        need(len(set(self.names)) == len(self.names), "cluster.devices: a name stands twice")
        self.size = len(self.names)
        self.space = [whole(device[space], f"cluster.devices.{space}") for device in self.devices]
        self.rate = self.matrix(spec.get("bandwidth_bytes_per_s", 0), "bandwidth_bytes_per_s")
        self.latency = self.matrix(spec.get("latency_s", 0), "latency_s")

    def column(self, key: str, j: int) -> Fraction | None:
        """Return a number of a device, None where it states none."""
        value = self.devices[j].get(key)
        return None if value is None else number(value, f"cluster.devices.{key}")

    def matrix(self, spec: Any, where: str) -> list[list[Fraction]]:
        """Return a number per link, row = sender: one for all, M x M, or a default and links that differ."""
        if isinstance(spec, list):
            need(len(spec) == self.size and all(len(row) == self.size for row in spec), f"{where}: not M x M")
            return [
                [Fraction(0) if k == j else number(value, where) for j, value in enumerate(row)]
                for k, row in enumerate(spec)
            ]
        listed = spec if isinstance(spec, dict) else {"default": spec}
        only(listed, "default links symmetric", where)
        found = [[number(listed["default"], where)] * self.size for _ in self.names]
        for sender, receiver, value in listed.get("links", []):
            k, j = self.names.index(sender), self.names.index(receiver)
            found[k][j] = number(value, where)
            if listed.get("symmetric"):
                found[j][k] = found[k][j]
        return found

    def hops(self, message: Fraction, *, latency: bool = True) -> Links:
        """Return the seconds of a message over each link; None without a link."""

        def hop(k: int, j: int) -> Fraction | None:
            if k == j:
                return Fraction(0)
            rate = self.rate[k][j]
            return message / rate + (self.latency[k][j] if latency else 0) if rate else None

        return [[hop(k, j) for j in range(self.size)] for k in range(self.size)]

    def placed(self, names: Any, count: int) -> list[int]:
        """Return the devices of a list of names."""
        need(isinstance(names, list) and len(names) == count, f"placement: expected {count} device names")
        for name in names:
            need(name in self.names, f"placement: there is no device {name!r}")
        return [self.names.index(name) for name in names]


def roofline(work: Fraction, read: Fraction, cluster: Cluster, j: int) -> Fraction:
    """Return the longer of arithmetic and of reading, with the overhead of a layer."""
    flops, rate = cluster.column("flops_per_s", j), cluster.column("memory_bytes_per_s", j)
    need(flops and rate, f"cluster.devices: {cluster.names[j]} states no rates")
    assert flops
    assert rate
    return max(work / flops, read / rate) + (cluster.column("layer_overhead_s", j) or 0)
