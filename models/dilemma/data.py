"""Validated data of the DILEMMA problem: layers, servers, bit-widths, quantisation errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from placewise.models.arrays import non_negative, set_array
from placewise.models.cluster import Cluster, require_no_layer_overhead, require_tables
from placewise.models.decimals import as_floats
from placewise.models.devices import flat
from placewise.models.errors import InstanceError
from placewise.models.instance import BaseInstance
from placewise.models.time_model import TimeModel, check_time_model
from placewise.models.units import MAX_BYTES
from placewise.models.values import require_kind
from placewise.models.workload import count, plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Mode = Literal["corrected", "as-printed"]
MAX_LAYERS = 4096
MAX_BITS = 64


@dataclass(frozen=True, init=False)
class QuantizableLayer:
    """One layer whose weights and output can be held in fewer bits.

    Parameters
    ----------
    name : str
        For people.
    flops : float
        ``FL_l``, FLOP per token.
    parameters : int
        ``W_l``, number of weights (the ``p_l`` of Eq. 2e).
    output_elements : float
        ``A_l``, numbers sent on per token (the ``p_l`` of Eq. 3 and 4).
    original_bits : int
        ``pr_l``, bits per weight before quantisation.
    """

    name: str
    flops: float
    parameters: int
    output_elements: float
    original_bits: int

    def __init__(
        self, name: str, flops: float, parameters: float, output_elements: float, original_bits: int = 32
    ) -> None:
        whole = {"parameters": parameters, "original_bits": original_bits}
        others = {"flops": flops, "output_elements": output_elements}
        for key, value in ({"name": name} | whole | others).items():
            object.__setattr__(self, key, value)
        plain_numbers(self, *whole, whole=True)
        plain_numbers(self, *others)

    def __mul__(self, count: int) -> tuple[QuantizableLayer, ...]:
        return (self,) * count

    __rmul__ = __mul__


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Dilemma(BaseInstance):
    """One instance of DILEMMA.

    Parameters
    ----------
    cluster : Cluster
        M servers: ``memory_bytes`` is the storage ``kappa_i``, ``flops_per_s`` is ``F_i``. Memory bandwidths are left
        out unless the time model is ``roofline``.
    layers : iterable of QuantizableLayer
        L layers in order; ``QuantizableLayer(...) * 24`` are 24 equal ones.
    bit_widths : iterable of int
        Distinct widths in increasing order.
    quantization_error : array_like, shape (L, B)
        ``max |w - w_b|`` of each layer at each width, or another sensitivity; in any unit. Errors and their bounds
        are read as the decimals that were written (`placewise.models.decimals`).
    mode : str
        ``corrected`` or ``as-printed``.
    time_model : str
        ``flops`` as the paper's Eq. 3; ``roofline``: a layer takes the longer of that and of reading its weights, in the
        chosen width, once per token.
    tokens : int
        ``n``.
    max_error : float or None
        ``delta``: bound on each layer's error (Eq. 5).
    error_budget : float or None
        ``epsilon``: bound on the sum over layers; ``corrected`` only, since the paper prints no sum.
    name, description, reference : str
        For people; the problem's name by default.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    problem: ClassVar[str] = "dilemma"

    cluster: Cluster
    layers: tuple[QuantizableLayer, ...]
    bit_widths: tuple[int, ...]
    quantization_error: NDArray[np.float64]
    mode: Mode
    time_model: TimeModel
    tokens: int
    max_error: float | None
    error_budget: float | None
    name: str
    description: str
    reference: str

    old_arguments: ClassVar[tuple[str, ...]] = (
        *("name", "problem", "cluster", "layers", "bit_widths", "quantization_error", "mode", "tokens"),
        *("max_error", "error_budget", "description", "reference"),
    )

    def __init__(
        self,
        cluster: Cluster,
        layers: Iterable[QuantizableLayer | Iterable[QuantizableLayer]],
        bit_widths: Iterable[int],
        quantization_error: ArrayLike,
        *,
        mode: Mode = "corrected",
        time_model: TimeModel = "flops",
        tokens: int = 1,
        max_error: float | None = None,
        error_budget: float | None = None,
        name: str | None = None,
        description: str = "",
        reference: str = "",
    ) -> None:
        require_kind(cluster, Cluster, "cluster")
        require_no_layer_overhead(cluster, self.problem)
        self._set(
            cluster=cluster
            if cluster.memory_bytes_per_s is None or time_model != "flops"
            else replace(cluster, memory_bytes_per_s=None),
            layers=flat(layers, QuantizableLayer, "model.layers"),
            bit_widths=tuple(count(width, "bit_widths") for width in bit_widths),
            quantization_error=quantization_error,
            mode=mode,
            time_model=time_model,
            tokens=count(tokens, "tokens"),
            max_error=float(max_error) if isinstance(max_error, int) else max_error,
            error_budget=float(error_budget) if isinstance(error_budget, int) else error_budget,
            name=self.problem if name is None else name,
            description=description,
            reference=reference,
        )
        self.__post_init__()

    def __post_init__(self) -> None:
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise InstanceError(
                "model.layers", f"expected 1 to {MAX_LAYERS} layers, found {len(self.layers)}"
            )
        widths = self.bit_widths
        if not widths or list(widths) != sorted(set(widths)) or not 1 <= widths[0] <= widths[-1] <= MAX_BITS:
            raise InstanceError(
                "bit_widths", f"expected distinct widths of 1 to {MAX_BITS} in increasing order"
            )
        size, messages = self.cluster.size, len({layer.output_elements for layer in self.layers})
        require_tables("model.layers.output_elements", messages, len(widths), size, size)
        require_tables("model.layers", len(self.layers), len(widths), size)
        shape = (len(self.layers), len(widths))
        errors = as_floats(self.quantization_error)
        set_array(self, "quantization_error", non_negative(errors, shape, "quantization_error"))
        if self.mode not in ("corrected", "as-printed"):
            raise InstanceError("mode", f"expected 'corrected' or 'as-printed', found {self.mode!r}")
        check_time_model(self.time_model, self.cluster)
        if self.mode == "as-printed" and self.error_budget is not None:
            raise InstanceError("error_budget", "expected null: the printed model bounds each layer alone")
        for key in ("max_error", "error_budget"):
            if getattr(self, key) is not None:
                bound = non_negative(as_floats(getattr(self, key)), (), key)
                object.__setattr__(self, key, float(bound))
        if not 1 <= self.tokens <= 2**31:
            raise InstanceError("tokens", f"expected 1 to 2**31, found {self.tokens}")
        for position, layer in enumerate(self.layers):
            self._check(layer, f"model.layers[{position}]")
        rates = self.cluster.flops_per_s
        for index, name in enumerate(self.cluster.device_names):
            if rates is None or not rates[index] > 0:
                path = f"cluster.devices[{index}].flops_per_s"
                raise InstanceError(path, f"expected FLOP/s > 0 of server {name!r}")

    def _check(self, layer: QuantizableLayer, path: str) -> None:
        numbers = {"flops": layer.flops, "output_elements": layer.output_elements}
        for key, value in numbers.items():
            non_negative(value, (), f"{path}.{key}")
        if layer.parameters != int(layer.parameters) or not 0 <= layer.parameters * MAX_BITS <= 8 * MAX_BYTES:
            raise InstanceError(
                f"{path}.parameters", f"expected a whole number up to 2**47, found {layer.parameters!r}"
            )
        if not 1 <= layer.original_bits <= MAX_BITS:
            raise InstanceError(
                f"{path}.original_bits", f"expected 1 to {MAX_BITS}, found {layer.original_bits!r}"
            )

    def _sizes(self) -> str:
        widths = ", ".join(map(str, self.bit_widths))
        read = "" if self.time_model == "flops" else f", {self.time_model}"
        return f"{len(self.layers)} layers on {self.cluster.size} servers, widths {widths}, {self.mode}{read}"

    @property
    def printed(self) -> bool:
        """Whether the model is read as the paper prints it."""
        return self.mode == "as-printed"


#: The name in version 0.1.
DilemmaInstance = Dilemma
