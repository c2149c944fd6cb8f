"""iperf3's JSON (``iperf3 -c HOST -J``, TCP): a link per file, links of a cluster from several.

The rate is what the receiver got. The latency is half of the least round trip that TCP saw: while a test fills a link, the
mean is the length of its queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from placewise.instances.importers.values import amount, checked
from placewise.instances.strict_json import clean_name
from placewise.models.errors import InstanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class MeasuredLink:
    """One direction between two hosts.

    Parameters
    ----------
    sender, receiver : str
        Addresses, or what the caller names them.
    bytes_per_s : float
        What arrived.
    latency_s : float or None
        One way; None where the system reported no round trip.
    """

    sender: str
    receiver: str
    bytes_per_s: float
    latency_s: float | None


def is_iperf3(document: Any) -> bool:
    """Whether a document looks like what iperf3 writes."""
    return isinstance(document, dict) and {"start", "end"} <= set(document)


def read_iperf3(document: Any) -> MeasuredLink:
    """Return the link that a test measured.

    Parameters
    ----------
    document : dict
        As parsed from JSON.

    Raises
    ------
    InstanceError
        Naming what is missing, or why a test tells nothing of a link.
    """
    if not is_iperf3(document):
        raise InstanceError("", "expected start and end, as iperf3 -J writes them")
    if document.get("error"):
        raise InstanceError("error", f"the test failed: {clean_name(document['error'], 'no reason')}")
    start, end = _object(document, "start"), _object(document, "end")
    stated = start.get("test_start")
    test: dict[str, Any] = stated if isinstance(stated, dict) else {}
    if test.get("protocol", "TCP") != "TCP":
        raise InstanceError(
            "start.test_start.protocol", "expected TCP: UDP sends at the rate that it is told"
        )
    if test.get("bidir"):
        raise InstanceError(
            "start.test_start.bidir", "expected one direction; run it once as it is, once with -R"
        )
    connected = start.get("connected")
    if not isinstance(connected, list) or not connected or not isinstance(connected[0], dict):
        raise InstanceError("start.connected", "expected a connection")
    ends = [clean_name(connected[0].get(key), key) for key in ("local_host", "remote_host")]
    sender, receiver = reversed(ends) if test.get("reverse") else ends
    received = _object(end, "sum_received", "end")
    return MeasuredLink(
        sender, receiver, amount(received, "bits_per_second", "end.sum_received") / 8, _latency_s(end)
    )


def _latency_s(end: dict[str, Any]) -> float | None:
    streams = end.get("streams")
    trips = [
        checked(stream["sender"]["min_rtt"], "end.streams.sender.min_rtt")
        for stream in (streams if isinstance(streams, list) else [])
        if isinstance(stream, dict)
        and isinstance(stream.get("sender"), dict)
        and stream["sender"].get("min_rtt")
    ]
    return min(trips) / 2e6 if trips else None


def _object(document: dict[str, Any], key: str, path: str = "") -> dict[str, Any]:
    found = document.get(key)
    if not isinstance(found, dict):
        raise InstanceError(f"{path}.{key}" if path else key, "expected an object")
    return found


def links_document(links: Iterable[MeasuredLink], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return bandwidths and latencies as a cluster file states them.

    Links that were not measured have the least of the measured rates and the longest of the latencies; one that was
    measured in one direction only holds in both. Of a link measured several times the mean counts.

    Parameters
    ----------
    links : iterable of MeasuredLink
        At least one.
    names : mapping of str to str, optional
        Device of each address.

    Returns
    -------
    dict
        ``bandwidth_bytes_per_s`` and ``latency_s``, each with ``default`` and ``links``.
    """
    found: dict[tuple[str, str], list[MeasuredLink]] = {}
    for link in links:
        pair = tuple((names or {}).get(end, end) for end in (link.sender, link.receiver))
        found.setdefault((pair[0], pair[1]), []).append(link)
    rates = {pair: _mean([link.bytes_per_s for link in tests]) for pair, tests in found.items()}
    latencies = {
        pair: _mean(known)
        for pair, tests in found.items()
        if (known := [link.latency_s for link in tests if link.latency_s is not None])
    }
    document: dict[str, Any] = {"bandwidth_bytes_per_s": _stated(rates, min(rates.values()))}
    if latencies:
        document["latency_s"] = _stated(latencies, max(latencies.values()))
    return document


def _mean(values: list[float]) -> float:
    return float(f"{sum(values) / len(values):.6g}")


def _stated(values: dict[tuple[str, str], float], default: float) -> dict[str, Any]:
    both = values | {(b, a): value for (a, b), value in values.items() if (b, a) not in values}
    return {"default": default, "links": [[*pair, value] for pair, value in sorted(both.items())]}
