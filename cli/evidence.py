"""Where results go, and what stands behind them: files, certificates, a second method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from placewise.cli import output
from placewise.cli.streams import note
from placewise.instances.files import require_writable

if TYPE_CHECKING:
    import argparse

    from placewise.solvers.evidence.result import VerifiedResult

#: What `--confirm` means without a method.
ANY = "any"


def add_evidence_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for files, certificates and a second method."""
    parser.add_argument("--output", metavar="F", help="write the result as JSON to a file")
    parser.add_argument(
        "--certificate",
        metavar="F",
        help="write a proof of the bound, or that there is no placement, that tools/verify_certificate checks; "
        "compressed as F.gz",
    )
    parser.add_argument(
        "--confirm",
        metavar="M",
        nargs="?",
        const=ANY,
        help="let a second exact method solve it on its own, one of other solvers without M; the result says by whom",
    )


def require_targets(options: argparse.Namespace) -> None:
    """Find out before the work whether the files can be written; raise `PlacewiseError` if not."""
    for target in (options.output, options.certificate):
        if target:
            require_writable(target)


def confirm(result: VerifiedResult, options: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a second method adds to the result's document: nothing if none is asked for or nothing is proven."""
    if options.confirm is None or not result.proven:
        return {}
    method = None if options.confirm == ANY else options.confirm
    from placewise.solvers.certificates.confirm import confirmed

    rest = {key: value for key, value in settings.items() if key != "warm_start"}
    second, agrees = confirmed(result, method, **rest)
    if not agrees:
        note(f"--confirm: {second.method} does not come to it: {second}")
        return {}
    note(f"--confirm: {second.method} comes to the same: claimed twice")
    told = {"method": second.method, "status": second.status.value, "objective": second.objective}
    return {"confirmed_by": told | {"dual_bound": second.dual_bound}}


def save(result: VerifiedResult, document: dict[str, Any], options: argparse.Namespace) -> None:
    """Write result and certificate; raise `PlacewiseError` where no certificate can be made."""
    if options.output:
        output.save(options.output, document)
    if options.certificate:
        from placewise.solvers.certificates.files import write_certificate
        from placewise.solvers.certificates.make import certify

        certificate = certify(result.instance, result)
        size = write_certificate(certificate, options.certificate)
        bound = certificate["bound"]
        told = "there is no placement" if bound is None else f"nothing costs less than {bound} s"
        note(f"--certificate: {told}; {size:,} bytes")
