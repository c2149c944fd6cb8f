"""Numbers of few digits, rounded down."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction

#: Digits of a certified bound; the rest is rounded down.
DIGITS = 12


def rounded_down(value: Fraction) -> Fraction:
    """Return a number in so many digits that is no larger."""
    few = Context(prec=DIGITS, rounding=ROUND_FLOOR)
    return Fraction(few.divide(Decimal(value.numerator), Decimal(value.denominator)))


def text(value: Fraction) -> str:
    """Return a number of few digits as a decimal."""
    return format(Decimal(value.numerator) / Decimal(value.denominator), "f")
