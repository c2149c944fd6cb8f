"""Check a placement and a certificate: ``python -m verify_certificate INSTANCE RESULT CERTIFICATE``.

Reads the three files, computes everything anew in whole numbers and fractions, and says "the placement costs v; nothing
costs less than b", or what is wrong first. Uses the standard library alone. docs/certificates.md says what a certificate
states and why it proves its bound.
"""

from .chains import Case, Chain, furthest
from .dilemma import Dilemma
from .heads import Heads, Step, Tables
from .reading import RefusedError, digest, load, parse
from .search import Search
from .tree import Statement
from .verdict import FORMAT, PROBLEMS, Verdict, verify
from .widths import Widths

__all__ = [
    "FORMAT",
    "PROBLEMS",
    "Case",
    "Chain",
    "Dilemma",
    "Heads",
    "RefusedError",
    "Search",
    "Statement",
    "Step",
    "Tables",
    "Verdict",
    "Widths",
    "digest",
    "furthest",
    "load",
    "parse",
    "verify",
]
