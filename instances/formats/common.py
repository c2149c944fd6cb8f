"""What the files of all problems share: devices, links, names and amounts, declared and built."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from placewise.models.cluster import MAX_DEVICES, Cluster
from placewise.models.devices import Device
from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: A whole number: `multiple_of` lets a float's noise through (28.999999999999996), which is rounded, never cut off.
WHOLE = (Field(multiple_of=1, allow_inf_nan=False), AfterValidator(lambda number: float(round(number))))
Bytes = Annotated[float, Field(ge=0, le=MAX_BYTES), *WHOLE]
#: Printable: what a terminal would obey is no name.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
Text = Annotated[str, Field(max_length=10_000, pattern=PRINTABLE)]
Count = Annotated[int, Field(ge=1, le=4096)]


class Part(BaseModel):
    """Base of all parts: unknown keys and wrong types are errors, nothing is converted."""

    # Built when the first document of its kind is checked: most processes see one kind.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class DeviceSpec(Part):
    """One device, or ``count`` equal ones named ``name-0``, ``name-1``, ..."""

    name: Name
    count: Count = 1
    memory_bytes: Bytes
    flops_per_s: Positive | None = None
    memory_bytes_per_s: Positive | None = None
    layer_overhead_s: Amount = 0.0


class LinkSpec(Part):
    """One value for all links, and the directed links that differ."""

    default: Amount
    links: list[Annotated[tuple[Name, Name, Amount], Field(strict=False)]] = []
    symmetric: bool = False


def _form(value: Any) -> str:
    return (
        "<matrix>"
        if isinstance(value, list)
        else "<links>"
        if isinstance(value, dict | LinkSpec)
        else "<number>"
    )


#: An M x M matrix with a null diagonal, or one number.
Matrix = Annotated[list[list[Amount | None]], Tag("<matrix>")]
Number = Annotated[Amount, Tag("<number>")]
Links = Annotated[LinkSpec, Tag("<links>")]


class ClusterSpec(Part):
    """Devices and bandwidths; row = sender, the diagonal is null, 0 = no link; a single device needs none."""

    devices: Annotated[list[DeviceSpec], Field(min_length=1, max_length=4096)]
    bandwidth_bytes_per_s: Annotated[Matrix | Links | Number, Discriminator(_form)] | None = None
    latency_s: Annotated[Matrix | Links | Number, Discriminator(_form)] = 0.0


class Head(Part):
    """The keys at the top of every file."""

    format: Literal["placewise/1"]
    name: Name
    description: Text = ""
    reference: Text = ""
    cluster: ClusterSpec


def build_cluster(spec: ClusterSpec) -> Cluster:
    """Build a cluster from its checked declaration; raise `InstanceError` with the path of what is wrong."""
    devices = [
        Device(
            device.name if device.count == 1 else f"{device.name}-{n}",
            device.memory_bytes,
            device.flops_per_s,
            device.memory_bytes_per_s,
            device.layer_overhead_s,
        )
        for device, n in expand(spec.devices, "count", MAX_DEVICES, "cluster.devices")
    ]
    bandwidth = spec.bandwidth_bytes_per_s
    if bandwidth is None:
        if len(devices) > 1:
            path = "cluster.bandwidth_bytes_per_s"
            raise InstanceError(path, f"expected it for {len(devices)} devices, found none; 0 = no link")
        bandwidth = 0.0
    return Cluster(
        devices=devices,
        bandwidth_bytes_per_s=_links(bandwidth, len(devices), "cluster.bandwidth_bytes_per_s"),
        latency_s=_links(spec.latency_s, len(devices), "cluster.latency_s"),
    )


def _links(spec: Any, size: int, path: str) -> Any:
    if isinstance(spec, LinkSpec):
        return spec.model_dump()
    return square_matrix(spec, size, path) if isinstance(spec, list) else spec


def square_matrix(spec: Any, size: int, path: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return an M x M matrix whose diagonal may be null.

    Parameters
    ----------
    spec : list of list
        Rows as the file has them, of one unit, which is kept.
    size : int
        M.
    path : str
        Where it stands in the file.

    Raises
    ------
    InstanceError
        On another shape, or null off the diagonal.
    """
    require_shape(spec, (size, size), path)
    matrix = np.zeros((size, size))
    for k, row in enumerate(spec):
        for j, value in enumerate(row):
            if value is None and k != j:
                raise InstanceError(
                    f"{path}[{k}][{j}]",
                    "expected a number, found null (only the diagonal is null; 0 = no link)",
                )
            matrix[k, j] = 0.0 if k == j else value
    return matrix


def require_shape(rows: list[list[Any]], shape: tuple[int, int], path: str) -> None:
    """Check the shape of a matrix in a file, naming the row that is too short or too long.

    Parameters
    ----------
    rows : list of list
        The matrix.
    shape : tuple of int
        Numbers of rows and of values in each.
    path : str
        Where it stands in the file.

    Raises
    ------
    InstanceError
        At the matrix or the row whose length is another.
    """
    if len(rows) != shape[0]:
        raise InstanceError(path, f"expected {shape[0]} rows, found {len(rows)}")
    for index, row in enumerate(rows):
        if len(row) != shape[1]:
            raise InstanceError(f"{path}[{index}]", f"expected {shape[1]} values, found {len(row)}")


def expand(specs: list[Any], count: str, most: int, path: str) -> list[tuple[Any, int]]:
    """Return each spec as often as its ``count`` or ``repeat`` says, with its number among the equal ones.

    Parameters
    ----------
    specs : list
        As declared, in the order of the file.
    count : str
        The attribute that says how often.
    most : int
        Largest total.
    path : str
        Where they stand in the file.

    Returns
    -------
    list of tuple
        A spec and its number, from 0, among those that it stands for.

    Raises
    ------
    InstanceError
        Where there are more in all.
    """
    total = sum(getattr(spec, count) for spec in specs)
    if total > most:
        raise InstanceError(path, f"expected at most {most} in all, found {total}")
    return [(spec, n) for spec in specs for n in range(getattr(spec, count))]


def cluster_document(cluster: Cluster) -> dict[str, Any]:
    """Return a cluster as `build_cluster` takes it back, bit for bit."""
    bandwidth: list[list[float | None]] = cluster.bandwidth_bytes_per_s.tolist()
    latency: list[list[float | None]] = cluster.latency_s.tolist()
    for j in range(cluster.size):
        bandwidth[j][j] = latency[j][j] = None
    devices = [
        {
            "name": name,
            "memory_bytes": int(cluster.memory_bytes[j]),
            **known(
                flops_per_s=_rate(cluster.flops_per_s, j),
                memory_bytes_per_s=_rate(cluster.memory_bytes_per_s, j),
                layer_overhead_s=_rate(cluster.layer_overhead_s, j) or None,
            ),
        }
        for j, name in enumerate(cluster.device_names)
    ]
    return {
        "devices": devices,
        "bandwidth_bytes_per_s": bandwidth,
        "latency_s": latency if cluster.latency_s.any() else 0.0,
    }


def known(**values: float | None) -> dict[str, float]:
    """Return the values that are stated: neither None nor NaN."""
    return {key: value for key, value in values.items() if value is not None and not np.isnan(value)}


def time_model_document(time_model: str) -> dict[str, str]:
    """Return what a file says of the time model: nothing where it is the papers'.

    Parameters
    ----------
    time_model : str
        As instances have it.
    """
    return {} if time_model == "flops" else {"time_model": time_model}


def _rate(values: Any, j: int) -> float | None:
    return None if values is None else float(values[j])
