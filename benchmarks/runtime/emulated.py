"""Predicted against emulated: ``python -m placewise.benchmarks.runtime.emulated MODEL.gguf`` (extra ``quantize``).

With ``OPENBLAS_NUM_THREADS=1`` before it: a device is one core.

Layer times are measured on one process first; the instance states them, so that what is compared is the rest of the
model: links, returns, the order of things. Heads take the same rates by FLOP.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from placewise.benchmarks.runtime.device import TOKEN_BYTES, Block, Network, Placed, of_layers
from placewise.benchmarks.runtime.emulation import emulate
from placewise.benchmarks.runtime.fit import errors
from placewise.benchmarks.runtime.placements import others, rules
from placewise.models.cluster import Cluster
from placewise.models.edgeshard import EdgeShardLatency
from placewise.models.edgeshard.rules import Rules
from placewise.models.head_migration import HeadMigration, HeadMigrationDecoder, HeadTransformer, Interval
from placewise.models.registry import problem_of
from placewise.models.workload import Layer
from placewise.solvers import solve

if TYPE_CHECKING:
    from placewise.benchmarks.quantization.llama import Llama

NAMES, SHARES, MEMORY = ["board", "desk", "laptop"], [0.4, 1.0, 0.6], [250e6, 350e6, 250e6]
#: To the first device, each way; between the other two the sum.
LATENCY_S, BYTES_PER_S = {"desk": 0.006, "laptop": 0.002}, 12.5e6
#: Rounds follow each other, so that what else the machine does hits all alike; the least time of a token counts.
ROUNDS = 3
PROMPT, ANSWER, RANDOM = (1, 504), 7, 3


def links() -> tuple[Any, Any]:
    """Return bandwidths and latencies, shape (M, M)."""
    wait = np.zeros((3, 3))
    wait[0, 1] = wait[1, 0] = LATENCY_S["desk"]
    wait[0, 2] = wait[2, 0] = LATENCY_S["laptop"]
    wait[1, 2] = wait[2, 1] = sum(LATENCY_S.values())
    return np.full((3, 3), BYTES_PER_S), wait


def measured_s(model: Llama) -> tuple[float, float, float]:
    """Return the seconds of embedding, a decoder layer and the head on one process: a device alone, split by FLOP.

    Parameters
    ----------
    model : Llama
        Dequantised.
    """
    alone = Network(np.ones((1, 1)), np.zeros((1, 1)), [1.0])
    found = emulate(
        model, alone, [of_layers([0] * (len(model.blocks) + 2), model.key_value_heads)], PROMPT, ANSWER
    )
    head = []
    for _ in range(7):
        started_s = time.monotonic()
        np.argmax(model.normed(model.embedding[:1], model.norm) @ model.embedding.T)
        head.append(time.monotonic() - started_s)
    return 0.0, (min(found.times_s) - min(head)) / len(model.blocks), min(head)


def layers_instance(model: Llama, times_s: tuple[float, float, float]) -> EdgeShardLatency:
    """Return the model's layers on the devices, with stated times.

    Parameters
    ----------
    model : Llama
        Dequantised.
    times_s : tuple of float
        As `measured_s` gives them.
    """
    rate, wait = links()
    cluster = Cluster(NAMES, MEMORY, bandwidth_bytes_per_s=rate, latency_s=wait)
    hidden = float(model.embedding[0].nbytes)
    size = sum(part.nbytes for part in model.blocks[0].values())
    chain = [
        Layer("embedding", model.embedding.nbytes, hidden),
        *Layer("decoder", size, hidden) * len(model.blocks),
    ]
    chain.append(Layer("head", model.embedding.nbytes, TOKEN_BYTES))
    kind = [0, *[1] * len(model.blocks), 2]
    table = [[times_s[k] / share for share in SHARES] for k in kind]
    return EdgeShardLatency(cluster, chain, compute_time_s=table, return_bytes=TOKEN_BYTES)


def heads_instance(model: Llama, layer_s: float) -> HeadMigrationDecoder:
    """Return the decoder layers head by head, rates such that a layer on one core takes what was measured.

    Parameters
    ----------
    model : Llama
        Dequantised.
    layer_s : float
        Seconds.
    """
    rate, wait = links()
    width = model.embedding.shape[1]
    network = sum(model.blocks[0][name].size for name in ("ffn_gate", "ffn_up", "ffn_down"))
    transformer = HeadTransformer(
        model.heads,
        width,
        prompt_tokens=len(PROMPT),
        kv="per-head",
        execution="cached",
        kv_heads=model.key_value_heads,
        parameters_in_memory=True,
        ffn_parameters=network,
        ffn_flops_factor=network / width**2,
    )

    def on(flops_per_s: float) -> HeadMigrationDecoder:
        cluster = Cluster(
            NAMES,
            [1e12] * 3,
            bandwidth_bytes_per_s=rate,
            latency_s=wait,
            flops_per_s=[flops_per_s * share for share in SHARES],
        )
        layer = HeadMigration(cluster, transformer, intervals=1, tokens_per_interval=1)
        return HeadMigrationDecoder(layer, len(model.blocks))

    whole = tuple(Interval((1,) * model.key_value_heads, 1, 1) for _ in model.blocks)
    at_once_s = predicted(on(1e9), (whole,))
    return on(1e9 * at_once_s / (layer_s * len(model.blocks)))


def predicted(instance: Any, placement: Any) -> float:
    """Return the model's seconds per token.

    Parameters
    ----------
    instance : Instance
        Of layers or heads.
    placement : tuple
        In canonical form.
    """
    found = problem_of(instance).evaluate(instance, placement).objective
    assert found is not None
    return float(found)


def main() -> None:
    """Emulate, and print a table."""
    from placewise.benchmarks.quantization.llama import load

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    model = load(parser.parse_args().model)
    network, groups, count = Network(*links(), SHARES), model.key_value_heads, len(model.blocks)
    instance = layers_instance(model, measured_s(model))
    found = {"optimum": solve(replace(instance, rules=Rules(contiguous=True))).placement}
    found |= rules(instance) | others(instance, RANDOM, seed=2)
    found["there and back"] = (0, *([1] * 5 + [2] * 5) * (count // 10), *[1] * (count % 10), 0)
    spread = {
        "heads of each layer on all": Interval((0, 1, 2), 1, 1),
        "network elsewhere": Interval((1, 1, 1), 1, 2),
        "one device": Interval((2, 2, 2), 2, 2),
    }
    placed = {name: of_layers(placement, groups) for name, placement in found.items()}
    for name, now in spread.items():
        placed[name] = Placed(0, 0, (Block(tuple(now.heads), now.proj, now.ffn),) * count)
    took_s, known, tokens = dict.fromkeys(placed, float("inf")), [], set()
    for _ in range(ROUNDS):
        known.append(measured_s(model))
        for name, plan in placed.items():
            out = emulate(model, network, [plan], PROMPT, ANSWER)
            tokens.add(out.tokens)
            took_s[name] = min(took_s[name], *out.times_s)
    assert len(tokens) == 1, "all placements decode the same"
    times_s = min(known, key=sum)
    instance, heads = layers_instance(model, times_s), heads_instance(model, times_s[1])
    told_s = {name: predicted(instance, placement) for name, placement in found.items()}
    for name, now in spread.items():  # the model's head is on the source; the rest is the problem's
        told_s[name] = predicted(heads, ((now,) * count,)) + times_s[2] / SHARES[0]
    for part in (found, spread):
        print("| placement | predicted | emulated | error |\n|---|---|---|---|")
        for name in sorted(part, key=took_s.__getitem__):
            told, took = told_s[name], took_s[name]
            print(f"| {name} | {told * 1e3:.1f} | {took * 1e3:.1f} | {told / took - 1:+.1%} |")
        print(errors([told_s[name] for name in part], [took_s[name] for name in part]))


if __name__ == "__main__":
    main()
