"""Reading and writing instance files."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from placewise.instances import schema, strict_json
from placewise.instances.shipped import shipped_path
from placewise.models.cluster import Cluster
from placewise.models.edgeshard.cost import roofline_time_s
from placewise.models.edgeshard.data import MAX_LAYERS, EdgeShardInstance
from placewise.models.errors import InstanceError, PlacewiseError
from placewise.models.workload import Layer


def read(source: str | Path) -> EdgeShardInstance:
    """Read an instance.

    Parameters
    ----------
    source : str or Path
        A path, ``-`` for standard input, or the name of a shipped instance.

    Raises
    ------
    PlacewiseError
        In one line: a file that is missing or unreadable, or the path of a wrong value and what was expected.
    """
    text = read_text(source)
    try:
        return from_document(strict_json.loads(text))
    except InstanceError as error:
        raise PlacewiseError(f"{source}: {error}") from None


def read_text(source: str | Path) -> str:
    """Return the text of a path, of ``-``, or of a shipped instance, in at most `strict_json.LARGEST_BYTES`."""
    limit = strict_json.LARGEST_BYTES
    path = None if str(source) == "-" else Path(source)
    if path is not None and not path.exists():
        path = shipped_path(str(source))
        if path is None:
            raise PlacewiseError(f"{source}: no such file, and no shipped instance of that name (see: placewise instances)")
    try:
        if path is None:
            raw = sys.stdin.buffer.read(limit + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise PlacewiseError(f"{source}: larger than {limit // 2**20} MiB")
        return raw.decode("utf-8")
    except OSError as error:
        raise PlacewiseError(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PlacewiseError(f"{source}: not UTF-8 at byte {error.start}") from None


def from_document(document: Any) -> EdgeShardInstance:
    """Build an instance from a parsed document; raise `InstanceError` with the path of what is wrong."""
    spec = schema.parse(document)
    cluster = _cluster(spec.cluster)
    layers = tuple(
        Layer(s.name, int(s.memory_bytes), s.output_bytes, s.flops, s.weight_bytes)
        for s in spec.model.layers
        for _ in range(s.repeat)
    )
    if len(layers) > MAX_LAYERS:
        raise InstanceError("model.layers", f"expected at most {MAX_LAYERS} layers, found {len(layers)}")
    if spec.source_device not in cluster.device_names:
        raise InstanceError("source_device", f"expected a device of the cluster, found {spec.source_device!r}")
    return EdgeShardInstance(
        name=spec.name,
        problem=spec.problem,
        cluster=cluster,
        layers=layers,
        compute_time_s=_compute_time(spec.compute_time_s, layers, cluster),
        source=cluster.device_names.index(spec.source_device),
        return_bytes=spec.return_bytes,
        description=spec.description,
        reference=spec.reference,
    )


def _cluster(spec: schema.ClusterSpec) -> Cluster:
    devices = [
        (device, device.name if device.count == 1 else f"{device.name}-{n}")
        for device in spec.devices
        for n in range(device.count)
    ]
    names = tuple(name for _, name in devices)
    if len(names) > 4096:
        raise InstanceError("cluster.devices", f"expected at most 4096 devices, found {len(names)}")
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InstanceError("cluster.devices", f"expected distinct names, found {name!r} twice")

    def rate(attribute: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([np.nan if (v := getattr(d, attribute)) is None else v for d, _ in devices], dtype=np.float64)

    return Cluster(
        device_names=names,
        memory_bytes=np.array([int(device.memory_bytes) for device, _ in devices], dtype=np.int64),
        bandwidth_bytes_per_s=_bandwidth(spec.bandwidth_bytes_per_s, names),
        latency_s=_matrix(spec.latency_s, len(names), "cluster.latency_s"),
        flops_per_s=rate("flops_per_s"),
        memory_bytes_per_s=rate("memory_bytes_per_s"),
    )


def _bandwidth(spec: Any, names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    if not isinstance(spec, schema.LinkSpec):
        return _matrix(spec, len(names), "cluster.bandwidth_bytes_per_s")
    matrix = np.full((len(names), len(names)), spec.default)
    stated: set[tuple[str, str]] = set()
    for index, (sender, receiver, rate) in enumerate(spec.links):
        path = f"cluster.bandwidth_bytes_per_s.links[{index}]"
        for position, name in enumerate((sender, receiver)):
            if name not in names:
                raise InstanceError(f"{path}[{position}]", f"expected a device of the cluster, found {name!r}")
        if sender == receiver:
            raise InstanceError(path, f"expected two different devices, found {sender!r} twice")
        for pair in [(sender, receiver), (receiver, sender)][: 1 + spec.symmetric]:
            if pair in stated:
                raise InstanceError(path, f"expected each link once, found {pair[0]} -> {pair[1]} twice")
            stated.add(pair)
            matrix[names.index(pair[0]), names.index(pair[1])] = rate
    return matrix


def _matrix(spec: Any, size: int, path: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a number everywhere, or an M x M matrix whose diagonal may be null."""
    if not isinstance(spec, list):
        return np.full((size, size), float(spec))
    _require_shape(spec, (size, size), path)
    matrix = np.zeros((size, size))
    for k, row in enumerate(spec):
        for j, value in enumerate(row):
            if value is None and k != j:
                raise InstanceError(f"{path}[{k}][{j}]", "expected a number, found null (only the diagonal is null)")
            matrix[k, j] = 0.0 if k == j else value
    return matrix


def _compute_time(
    spec: list[list[float]] | None, layers: tuple[Layer, ...], cluster: Cluster
) -> np.ndarray[Any, np.dtype[np.float64]]:
    if spec is not None:
        _require_shape(spec, (len(layers), cluster.size), "compute_time_s")
        return np.array(spec, dtype=np.float64)
    time_s = roofline_time_s(layers, cluster)
    unknown = np.argwhere(np.isnan(time_s))
    if unknown.size:
        i, j = unknown[0]
        raise InstanceError(
            "compute_time_s",
            f"expected {len(layers)} x {cluster.size} seconds, or flops and weight_bytes of layer {layers[i].name!r} "
            f"with flops_per_s and memory_bytes_per_s of device {cluster.device_names[j]!r}",
        )
    return time_s


def _require_shape(rows: list[list[Any]], shape: tuple[int, int], path: str) -> None:
    if len(rows) != shape[0]:
        raise InstanceError(path, f"expected {shape[0]} rows, found {len(rows)}")
    for index, row in enumerate(rows):
        if len(row) != shape[1]:
            raise InstanceError(f"{path}[{index}]", f"expected {shape[1]} values, found {len(row)}")


def to_document(instance: EdgeShardInstance) -> dict[str, Any]:
    """Return an instance as a document that `read` takes back, bit for bit."""
    cluster = instance.cluster
    bandwidth: list[list[float | None]] = cluster.bandwidth_bytes_per_s.tolist()
    latency: list[list[float | None]] = cluster.latency_s.tolist()
    for j in range(cluster.size):
        bandwidth[j][j] = latency[j][j] = None

    def known(**values: float | None) -> dict[str, float]:
        return {key: value for key, value in values.items() if value is not None and not np.isnan(value)}

    def rate(values: Any, j: int) -> float | None:
        return None if values is None else float(values[j])

    document: dict[str, Any] = {
        "format": "placewise/1",
        "problem": instance.problem,
        "name": instance.name,
        "description": instance.description,
        "reference": instance.reference,
        "cluster": {
            "devices": [
                {
                    "name": name,
                    "memory_bytes": int(cluster.memory_bytes[j]),
                    **known(
                        flops_per_s=rate(cluster.flops_per_s, j), memory_bytes_per_s=rate(cluster.memory_bytes_per_s, j)
                    ),
                }
                for j, name in enumerate(cluster.device_names)
            ],
            "bandwidth_bytes_per_s": bandwidth,
            "latency_s": latency if cluster.latency_s.any() else 0.0,
        },
        "model": {"layers": _layers_document(instance.layers, known)},
        "source_device": cluster.device_names[instance.source],
        "return_bytes": instance.return_bytes,
    }
    if not np.array_equal(roofline_time_s(instance.layers, cluster), instance.compute_time_s):
        document["compute_time_s"] = instance.compute_time_s.tolist()
    return document


def _layers_document(layers: tuple[Layer, ...], known: Any) -> list[dict[str, Any]]:
    specs: list[dict[str, Any]] = []
    for position, layer in enumerate(layers):
        if position and layer == layers[position - 1]:
            specs[-1]["repeat"] = specs[-1].get("repeat", 1) + 1
            continue
        spec = {"name": layer.name, "memory_bytes": layer.memory_bytes, "output_bytes": layer.output_bytes}
        specs.append(spec | known(flops=layer.flops, weight_bytes=layer.weight_bytes))
    return specs


def write(instance: EdgeShardInstance, target: str | Path) -> None:
    """Write an instance file: whole or not at all."""
    write_text(target, json.dumps(to_document(instance), indent=1) + "\n")


def write_text(target: str | Path, text: str) -> None:
    """Write to a temporary file beside the target, then rename it.

    Raises
    ------
    PlacewiseError
        When the folder cannot be written; the target is then as it was.
    """
    path = Path(target)
    name = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as stream:
            name = stream.name
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise PlacewiseError(f"{target}: cannot write: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
