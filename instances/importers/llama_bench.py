"""``llama-bench -o json``: a device's rates from measured tokens per second.

Generating a token reads the model once: ``memory_bytes_per_s = model_size * tg``. A prompt's tokens are computed
together: ``flops_per_s = 2 * model_n_params * pp``, two FLOP per weight and token. Both are what the runtime reaches on
this model, overheads included, so no efficiency goes on top of them. Of several runs, the fastest of each kind counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from placewise.instances.importers.values import amount
from placewise.instances.strict_json import clean_name
from placewise.models.errors import InstanceError

#: Prompts shorter than this read the weights for too few tokens to be bound by arithmetic.
LEAST_PROMPT = 128


@dataclass(frozen=True)
class Benchmark:
    """What llama-bench measured of one model on one machine.

    Parameters
    ----------
    name : str
        The processor's or card's.
    model : str
        What llama-bench calls it.
    model_bytes, parameters : float
        Of its weights.
    generated_per_s, prompt_per_s : float or None
        Tokens per second; None where it was not measured.
    """

    name: str
    model: str
    model_bytes: float
    parameters: float
    generated_per_s: float | None
    prompt_per_s: float | None

    def entry(self, name: str | None = None) -> dict[str, Any]:
        """Return the device as a cluster file has it; its memory is not measured.

        Parameters
        ----------
        name : str, optional
            Of the device.
        """
        found: dict[str, Any] = {"name": name or self.name}
        if self.prompt_per_s:
            found["flops_per_s"] = float(f"{2 * self.parameters * self.prompt_per_s:.4g}")
        if self.generated_per_s:
            found["memory_bytes_per_s"] = float(f"{self.model_bytes * self.generated_per_s:.4g}")
        return found


def is_llama_bench(document: Any) -> bool:
    """Whether a document looks like what llama-bench writes."""
    return (
        isinstance(document, list)
        and bool(document)
        and isinstance(document[0], dict)
        and "avg_ts" in document[0]
    )


def read_llama_bench(document: Any) -> Benchmark:
    """Return what llama-bench measured.

    Parameters
    ----------
    document : list of dict
        As parsed from JSON: a row per test.

    Raises
    ------
    InstanceError
        Naming the row that is wrong, or where rows are of several models or offload only a part.
    """
    if not is_llama_bench(document):
        raise InstanceError("", "expected a list of tests with avg_ts, as llama-bench -o json writes it")
    rates: dict[str, list[float]] = {"n_gen": [], "n_prompt": []}
    first = document[0]
    for n, row in enumerate(document):
        path = f"[{n}]"
        if not isinstance(row, dict):
            raise InstanceError(path, "expected an object")
        for key in ("model_size", "model_n_params", "n_gpu_layers", "cpu_info", "gpu_info"):
            if row.get(key) != first.get(key):
                raise InstanceError(
                    f"{path}.{key}", "expected tests of one model on one device; give others by themselves"
                )
        prompt, generated = (amount(row, key, path) for key in ("n_prompt", "n_gen"))
        if prompt and generated:  # both in one time
            continue
        if generated and not row.get("n_depth"):
            rates["n_gen"].append(amount(row, "avg_ts", path))
        elif prompt >= LEAST_PROMPT and not row.get("n_depth"):
            rates["n_prompt"].append(amount(row, "avg_ts", path))
    if not any(map(any, rates.values())):
        raise InstanceError(
            "", f"expected a test of generation, or of a prompt of at least {LEAST_PROMPT} tokens"
        )
    card = first.get("gpu_info") if first.get("n_gpu_layers") != 0 else None
    return Benchmark(
        clean_name(card or first.get("cpu_info"), "measured"),
        clean_name(first.get("model_type"), "model"),
        amount(first, "model_size", "[0]"),
        amount(first, "model_n_params", "[0]"),
        max(rates["n_gen"], default=None),
        max(rates["n_prompt"], default=None),
    )
