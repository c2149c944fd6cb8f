"""Amounts with units as people write them: exact, or one line that says what was meant."""

from fractions import Fraction

import pytest

from placewise.instances import units
from placewise.instances.units import BYTES, BYTES_PER_S, FLOPS, SECONDS
from placewise.models.errors import InstanceError

READ = {
    BYTES: {
        "24 GB": 24 * 10**9, "24GB": 24 * 10**9, "24gb": 24 * 10**9, "24 GiB": 24 * 2**30, "24Gi": 24 * 2**30,
        "1,024 MiB": 2**30, "7.5 GB": 75 * 10**8, "0.1 GiB": Fraction(2**30, 10), "24 gigabytes": 24 * 10**9,
        "1e3 kB": 10**6, "0 B": 0, "1.5TB": 15 * 10**11, "5 bytes": 5, "24\u00a0GB": 24 * 10**9, "1 KiB": 1024,
    },
    BYTES_PER_S: {
        "1 Gbps": 125 * 10**6, "1Gbps": 125 * 10**6, "100mbps": 125 * 10**5, "100 Mbit/s": 125 * 10**5,
        "1 Gb/s": 125 * 10**6, "125 MB/s": 125 * 10**6, "125MBps": 125 * 10**6, "10GbE": 125 * 10**7,
        "2.5 GbE": 3125 * 10**5, "936 GB/s": 936 * 10**9, "1 GB per second": 10**9, "1 GiB/s": 2**30,
        "1 bps": Fraction(1, 8), "1 GB / s": 10**9, "12.5 kB/s": 12500,
    },
    SECONDS: {
        "0.3 ms": Fraction(3, 10**4), "300us": Fraction(3, 10**4), "300 \u00b5s": Fraction(3, 10**4),
        "300 \u03bcs": Fraction(3, 10**4), "1s": 1, "20 nanoseconds": Fraction(2, 10**8),
    },
    FLOPS: {"10 TFLOPS": 10**13, "10 TFLOP/s": 10**13, "10tflops": 10**13, "472 GFLOPS": 472 * 10**9, "1 PFLOPS": 10**15},
}  # fmt: skip
REFUSED = {
    BYTES: {
        "24": "a unit", "24 G": "GB, or GiB", "24 Gb": "counts bits", "24 Gbit": "counts bits", "1,5 GB": "decimals",
        "9**9**9 GB": "found", "24 GB RAM": "found", "-3 GB": "found", "": "found", "1e999 GB": "found",
        "__import__('os') GB": "found", "24 ms": "a unit of bytes", "1 GB\nGB": "found", "9" * 99 + "GB": "found",
        "nan GB": "found", "24 mGB": "a unit of bytes", "()" * 99: "found",
    },
    BYTES_PER_S: {
        "1000 Mbit": "Mb/s .bits. or MB/s", "125 MB": "is no rate", "1gb/s": "may be either", "100 MBPS": "may be either",
        "8 GT/s": "a unit of bytes per second",
    },
    SECONDS: {"2 MS": "a unit of seconds", "3 h": "a unit of seconds"},
    FLOPS: {"275 TOPS": "whole-number operations", "82 TFLOP": "is no rate", "3 GHz": "a unit of FLOP/s"},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, known in READ.items() for text in known])
def test_an_amount_is_read_exactly(kind, text):
    """As a fraction: no byte is lost to a float."""
    assert units.amount(text, kind, "here") == READ[kind][text]


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, known in REFUSED.items() for text in known]
)
def test_an_unclear_amount_is_one_line(kind, text):
    """It names the place and what was expected, however hostile the text is."""
    with pytest.raises(InstanceError, match=f"^here: .*{REFUSED[kind][text]}") as caught:
        units.amount(text, kind, "here")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_every_prefix_of_bytes():
    """A thousand each, or 1,024 each; binary and decimal units never meet."""
    for power, letter in enumerate("kMGTPE", start=1):
        assert units.amount(f"3 {letter}B", BYTES, "") == 3 * 1000**power
        assert units.amount(f"3 {letter.upper()}iB", BYTES, "") == 3 * 1024**power
        assert units.amount(f"8 {letter}bps", BYTES_PER_S, "") == 1000**power


def test_shares():
    """In percent, exactly."""
    assert units.share("12.5 %", "here") == Fraction(1, 8)
    for text in ("12.5", "%", "a %", "-1 %"):
        with pytest.raises(InstanceError, match="here: expected a share"):
            units.share(text, "here")
