"""Numbers for people: times, sizes and gaps, in four digits and a fitting unit."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """Return a time for people, four digits and a fitting unit."""
    if seconds is None:
        return "-"
    size = abs(seconds)
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if size * factor >= 1 or unit == "us":
            return f"{seconds * factor:.4g} {unit}" if size else "0 s"
    raise AssertionError


def percent(gap: float | None) -> str:
    """Return a relative gap for people."""
    return "-" if gap is None else f"{gap * 100:.3g} %"


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.3g} B"
