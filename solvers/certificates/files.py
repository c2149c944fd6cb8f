"""Certificates as files, compressed where the name ends in ``.gz``, and what the verifier says of one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placewise.instances.files import write_bytes
from placewise.models.errors import PlacewiseError
from placewise.solvers.certificates.make import certify, instance_document
from placewise.solvers.evidence.verify import differs
from placewise.tools import verify_certificate as verifier

if TYPE_CHECKING:
    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import VerifiedResult


def write_certificate(certificate: dict[str, Any], target: str | Path) -> int:
    """Write a certificate, whole or not at all; return its bytes.

    Parameters
    ----------
    certificate : dict
        As `certify` returns it.
    target : str or Path
        The file.

    Returns
    -------
    int
        Size of the file.
    """
    content = (json.dumps(certificate) + "\n").encode()
    if Path(target).suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    write_bytes(target, content)
    return len(content)


def read_certificate(source: str | Path) -> Any:
    """Return the document of a certificate; raise `PlacewiseError` where there is none that can be read."""
    try:
        return verifier.load(str(source))
    except (verifier.RefusedError, OSError, EOFError) as error:
        raise PlacewiseError(f"{source}: no certificate: {error}") from None


def verdict_on(instance: Instance, placement: Any, certificate: Any) -> verifier.Verdict | str:
    """Return what the verifier says of a certificate beside a placement: its verdict, or why it refuses.

    Parameters
    ----------
    instance : Instance
        What the certificate should be of.
    placement : object or None
        As result files state it, by names; None where there is none.
    certificate : object
        As `read_certificate` returns it.

    Returns
    -------
    Verdict or str
        Exact cost and bound; or the first thing that is wrong.
    """
    document = None if placement is None else verifier.parse(json.dumps({"placement": placement}))
    try:
        return verifier.verify(instance_document(instance), document, certificate)
    except verifier.RefusedError as error:
        return str(error)


def is_certified(result: VerifiedResult) -> bool:
    """Whether a certificate of what a result proves can be made, and the verifier accepts it.

    Parameters
    ----------
    result : VerifiedResult
        Optimal or infeasible; a weaker bound than what it states does not count.
    """
    try:
        certificate = certify(result.instance, result)
    except PlacewiseError:
        return False
    verdict = verdict_on(result.instance, result.to_json()["placement"], certificate)
    if isinstance(verdict, str) or result.objective is None:
        return not isinstance(verdict, str)
    return verdict.bound is not None and not differs(float(verdict.bound), result.objective)
