"""Amounts with units as people write them, exactly: "24 GB", "1 Gbps", "0.3 ms", "10 TFLOPS".

Pint knows the units; it is given the few that stand in cluster files, and words only: what it would compute, as in
"9**9**9 GB", never comes to it. Its own table reads Gb as a gigabarn, so bits, bytes and FLOPS are defined here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from placewise.instances.strict_json import short
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIXES = "kMGTPE"
_DEFINITIONS = (
    *(f"{letter}_- = {10 ** (3 * power)} = {letter}-" for power, letter in enumerate(_PREFIXES, start=1)),
    *(f"{letter}i_- = {1024**power} = {letter}i-" for power, letter in enumerate(_PREFIXES.upper(), start=1)),
    "milli- = 1/1000 = m-",
    "micro- = 1/1000000 = u-",
    "nano- = 1/1000000000 = n-",
    "bit = [information] = b",
    "byte = 8 * bit = B",
    "second = [time] = s",
    "flop = [work] = FLOP",
    "FLOPS = flop / second",
)
_LARGEST_TEXT = 60
_AMOUNT = re.compile(r"\+?(\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(\.\d{1,18})?([eE][+-]?\d{1,2})?")
_SIZE = re.compile(
    r"(?P<prefix>kilo|mega|giga|tera|peta|[kmgtpe]?)(?P<binary>i?)(?P<kind>b|bits?|bytes?)", re.IGNORECASE
)
_PER_S = re.compile(r"\s*(?:/|\bper\b)\s*(?:seconds?|secs?|s)", re.IGNORECASE)
_FLOPS = re.compile(r"(?P<prefix>[kmgtpe]?)(?:flops|flops?\s?/\s?s(?:ec(?:ond)?)?)", re.IGNORECASE)
_SECONDS = {
    name: unit
    for unit, names in {
        "s": "s sec secs second seconds",
        "ms": "ms msec msecs millisec millisecond milliseconds",
        "us": "us usec \u00b5s \u03bcs microsecond microseconds",
        "ns": "ns nsec nanosecond nanoseconds",
    }.items()
    for name in names.split()
}


class _UnclearError(ValueError):
    """A unit that may mean two things, or another than is asked for."""


def _prefix(found: re.Match[str]) -> str:
    """Return a prefix as SI and IEC write it: nobody means millibytes."""
    letter = found["prefix"][:1].upper()
    binary = found.groupdict().get("binary")
    return f"{letter}i" if binary and letter else "k" if letter == "K" else letter


def _size(text: str) -> str | None:
    if re.fullmatch("[kmgtp]i", text, re.IGNORECASE):  # 24Gi, as Kubernetes has it
        text = f"{text}B"
    if re.fullmatch("[kmgtp]", text, re.IGNORECASE):
        raise _UnclearError(
            f"{text} says no unit: expected {text.upper()}B, or {text.upper()}iB in powers of two"
        )
    found = _SIZE.fullmatch(text)
    if found is None:
        return None
    kind, prefix = found["kind"], _prefix(found)
    if kind.lower().startswith("bit") or (kind == "b" and not text.islower()):
        raise _UnclearError(f"{text} counts bits: expected bytes, as in {prefix}B")
    return f"{prefix}B"


def _rate(text: str) -> str | None:
    if re.fullmatch("[mg]be", text, re.IGNORECASE):  # 10GbE
        return f"{text[0].upper()}b/s"
    word = text.endswith(("ps", "PS"))
    size = text[:-2] if word else _PER_S.sub("", text)
    found = _SIZE.fullmatch(size)
    if found is None:
        return None
    kind, prefix = found["kind"], _prefix(found)
    both = f"{prefix}b/s (bits) or {prefix}B/s (bytes)"
    if size == text:
        raise _UnclearError(f"{text} is no rate: expected {both}")
    if (kind == "b" and size.islower() and len(size) > 1 and not word) or text.endswith("PS"):
        raise _UnclearError(f"{text} may be either: expected {both}")
    return f"{prefix}{'b' if kind == 'b' or kind.lower().startswith('bit') else 'B'}/s"


def _flops(text: str) -> str | None:
    if re.fullmatch("[kmgtpe]?ops", text, re.IGNORECASE):
        raise _UnclearError(
            f"{text} counts whole-number operations: expected FLOPS of the type that the model has"
        )
    if re.fullmatch("[kmgtpe]?flop", text, re.IGNORECASE):
        raise _UnclearError(f"{text} is no rate: expected {text[:-4].upper()}FLOPS")
    found = _FLOPS.fullmatch(text)
    return None if found is None else f"{_prefix(found)}FLOPS"


@dataclass(frozen=True)
class Kind:
    """What an amount counts.

    Parameters
    ----------
    name, base, example : str
        For errors; the unit of bare numbers, as pint knows it; for errors.
    spelled : callable
        ``unit as typed -> unit as pint knows it``; None where it is none of this kind.
    """

    name: str
    base: str
    example: str
    spelled: Callable[[str], str | None]


BYTES = Kind("bytes", "byte", '"24 GB" or "24 GiB"', _size)
BYTES_PER_S = Kind("bytes per second", "byte/second", '"1 Gbps" or "125 MB/s"', _rate)
SECONDS = Kind("seconds", "second", '"0.3 ms"', _SECONDS.get)
FLOPS = Kind("FLOP/s", "FLOPS", '"10 TFLOPS"', _flops)


def amount(text: str, kind: Kind, path: str) -> Fraction:
    """Return an amount in SI units, exactly as written.

    Parameters
    ----------
    text : str
        A number of at least 0 and a unit.
    kind : Kind
        What it should count: `BYTES`, `BYTES_PER_S`, `SECONDS` or `FLOPS`.
    path : str
        Where it stands, for errors.

    Returns
    -------
    Fraction
        In bytes, bytes/s, seconds or FLOP/s.

    Raises
    ------
    InstanceError
        Where it is no such amount, saying what was expected, or what a unit might have meant.
    """
    typed = " ".join(text.split()) if len(text) <= _LARGEST_TEXT else ""
    found = _AMOUNT.match(typed)
    unit = typed[found.end() :].strip() if found else ""
    if found and not unit:
        raise InstanceError(
            path, f"expected a unit, as in {kind.example}, or the number of {kind.name} without quotes"
        )
    if found is None or not re.fullmatch(r"[A-Za-z\u00b5\u03bc]+(\s?(/|per)\s?[A-Za-z]+)?", unit):
        comma = ": a point parts decimals, a comma thousands" if re.match(r"\d+,\d", typed) else ""
        raise InstanceError(path, f"expected {kind.name}, as in {kind.example}, found {short(text)}{comma}")
    try:
        spelled = kind.spelled(unit)
    except _UnclearError as error:
        raise InstanceError(path, str(error)) from None
    if spelled is None:
        raise InstanceError(
            path, f"expected a unit of {kind.name}, as in {kind.example}, found {short(unit)}"
        )
    return Fraction(found[0].replace(",", "")) * _factor(spelled, kind.base)


def share(text: str, path: str) -> Fraction:
    """Return a share that is written in percent, as in "70 %"; `InstanceError` at the path for any other text.

    Parameters
    ----------
    text, path : str
    """
    typed = text.strip()
    found = (
        _AMOUNT.fullmatch(typed[:-1].strip()) if len(typed) <= _LARGEST_TEXT and typed.endswith("%") else None
    )
    if found is None:
        raise InstanceError(path, f'expected a share, as in 0.7 or "70 %", found {short(text)}')
    return Fraction(found[0].replace(",", "")) / 100


@cache
def _factor(unit: str, base: str) -> Fraction:
    return Fraction(_registry().Quantity(Fraction(1), unit).to(base).magnitude)


@cache
def _registry() -> Any:
    import pint  # only for files with units: it takes a while

    registry: Any = pint.UnitRegistry(None, non_int_type=Fraction)
    registry.load_definitions(list(_DEFINITIONS))
    return registry
