"""Validated data of the DILEMMA problem: layers, servers, bit-widths, quantisation errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from placewise.models.cluster import Cluster, non_negative, require_tables, set_array
from placewise.models.decimals import as_floats
from placewise.models.errors import InstanceError
from placewise.models.units import MAX_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Mode = Literal["corrected", "as-printed"]
MAX_LAYERS = 4096
MAX_BITS = 64


@dataclass(frozen=True)
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
    original_bits: int = 32


@dataclass(frozen=True, eq=False)
class DilemmaInstance:
    """One instance of DILEMMA.

    Parameters
    ----------
    name, problem : str
        Its name, and ``dilemma``.
    cluster : Cluster
        M servers: ``memory_bytes`` is the storage ``kappa_i``, ``flops_per_s`` is ``F_i``.
    layers : tuple of QuantizableLayer
        L layers in order.
    bit_widths : tuple of int
        Distinct widths in increasing order.
    quantization_error : ndarray, shape (L, B)
        ``max |w - w_b|`` of each layer at each width, or another sensitivity; in any unit. Errors and their bounds
        are read as the decimals that were written (`placewise.models.decimals`).
    mode : str
        ``corrected`` or ``as-printed``.
    tokens : int
        ``n``.
    max_error : float or None
        ``delta``: bound on each layer's error (Eq. 5).
    error_budget : float or None
        ``epsilon``: bound on the sum over layers; ``corrected`` only, since the paper prints no sum.
    description, reference : str
        For people.

    Raises
    ------
    InstanceError
        On a wrong shape or a value outside its range, naming the path in the instance file.
    """

    name: str
    problem: str
    cluster: Cluster
    layers: tuple[QuantizableLayer, ...]
    bit_widths: tuple[int, ...]
    quantization_error: NDArray[np.float64]
    mode: Mode = "corrected"
    tokens: int = 1
    max_error: float | None = None
    error_budget: float | None = None
    description: str = ""
    reference: str = ""

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

    @property
    def printed(self) -> bool:
        """Whether the model is read as the paper prints it."""
        return self.mode == "as-printed"
