"""The verifier reads instances as the package does: of tiny ones all placements, which hold, and what they cost."""

import json
import random
from fractions import Fraction

import numpy as np
import pytest

import placewise
from placewise.benchmarks.asked import KINDS as ASKED
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_of
from placewise.solvers import solve
from placewise.solvers.certificates.files import verdict_on
from placewise.solvers.certificates.make import instance_document
from placewise.solvers.evidence.result import Status
from placewise.tools import verify_certificate as verifier


def as_read(document):
    """Return a document as the verifier reads its file."""
    return verifier.parse(json.dumps(document))


def compared(instance, document, draw, most=60):
    """Compare some placements, as the verifier reads a document; return how many hold and how many do not."""
    known, kind = problem_of(instance), verifier.PROBLEMS[instance.problem](document)
    placements = list(known.placements(instance))
    holding = 0
    for placement in draw.sample(placements, min(len(placements), most)):
        evaluation, cost = known.evaluate(instance, placement), None
        try:
            cost = kind.value(as_read(known.to_json(instance, placement)))
        except verifier.RefusedError as error:
            assert str(error).startswith("placement")  # noqa: PT017 - of the instance nothing is refused
        assert (cost is not None) == evaluation.feasible, (instance.name, placement)
        if cost is not None:
            assert float(cost) == pytest.approx(evaluation.objective, rel=1e-9, abs=1e-12)
        holding += evaluation.feasible
    return np.array([holding, min(len(placements), most) - holding])


def from_rates(seed):
    """Return the document of a chain whose times follow from rates, with experts, an input, a request and rules at random."""
    draw = random.Random(seed)
    problem = draw.choice(["edgeshard-latency", "edgeshard-throughput", "edgeshard-batch"])
    batches = problem == "edgeshard-batch"
    devices = [
        {
            "name": f"d{j}",
            "memory_bytes": draw.randint(3, 14),
            "flops_per_s": draw.choice([1.0, 2.0, 7.0]),
            "memory_bytes_per_s": draw.choice([1.0, 3.0]),
            "layer_overhead_s": draw.choice([0.0, 0.25]),
        }
        for j in range(draw.randint(2, 3))
    ]
    layers = []
    for i in range(draw.randint(1, 3)):
        layer = {
            "name": f"l{i}",
            "memory_bytes": draw.randint(1, 4),
            "output_bytes": draw.randint(0, 3),
            "flops": draw.randint(0, 4),
            "weight_bytes": draw.randint(4, 6),
        }
        if draw.random() < 0.7:
            layer["experts"] = {
                "count": draw.choice([2, 3, 8]),
                "active": draw.choice([1, 1.5, 2]),
                "each_bytes": draw.choice([1, 0.3, 2]),
            }
        layers.append(layer | ({"cache_bytes": draw.choice([0, 0, 1])} if batches else {}))
    document = {
        "format": "placewise/1",
        "problem": problem,
        "name": f"rates-{seed}",
        "cluster": {
            "devices": devices,
            "bandwidth_bytes_per_s": draw.choice([1.0, 2.0, 3.0]),
            "latency_s": draw.choice([0.0, 0.5]),
        },
        "model": {"layers": layers},
        "source_device": draw.choice([None, "d0"]),
        "return_bytes": draw.choice([0, 1]),
    }
    if batches:
        document["batch_sizes"] = [1, 2, 5]
        document |= draw.choice([{}, {"in_flight": 2}, {"in_flight": [1, 3], "time_per_token_limit_s": 40.0}])
    if draw.random() < 0.5:
        document["input_bytes"] = draw.randint(1, 3)
    if draw.random() < 0.6:
        document["request"] = {
            "prompt_tokens": draw.choice([1, 3]),
            "new_tokens": draw.choice([1, 4]),
            "counts": draw.choice(["request", "prefill", "decode"]),
        }
    count = len(layers) + ("input_bytes" in document)
    if draw.random() < 0.4:
        document["max_layers"] = {"d1": draw.randint(0, count)}
    if draw.random() < 0.2 and count > 1:
        document["pinned"] = {"1": "d1"}
    return document


@pytest.mark.parametrize(
    "kind", ["request-latency", "request-throughput", "request-in-flight", "tiny-in-flight"]
)
def test_requests_and_micro_batches_in_flight(kind):
    """Prompts that count, caches of all micro-batches, limits on the time per token that a placement just meets."""
    draw, seen = random.Random(kind), np.zeros(2, dtype=int)
    for seed in range(1, 31):
        in_flight = kind == "tiny-in-flight"
        instance = (
            placewise.generate("edgeshard-batch", kind, seed=seed)
            if in_flight
            else ASKED[kind](seed).instance
        )
        seen += compared(instance, instance_document(instance), draw)
    assert seen.min() > 15


def test_a_limit_that_is_met_in_the_last_digit():
    """Of times that are no decimals: what meets the limit in the package's arithmetic may exceed it by noise in exact one."""
    above = 0
    for seed in range(1, 40):
        document = placewise.to_document(placewise.generate("edgeshard-batch", "tiny-in-flight", seed=seed))
        times = np.array(document["compute_time_s"]) / 3
        document |= {"compute_time_s": times.tolist(), "in_flight": [1]}
        document.pop("time_per_token_limit_s", None)
        result = solve(placewise.read(document), "brute-force", isolate=False)
        if result.status is not Status.OPTIMAL:
            continue
        placement = result.to_json()["placement"]
        limit = result.objective * placement["batch_size"]
        bounded = placewise.read(document | {"time_per_token_limit_s": limit})
        if not problem_of(bounded).evaluate(bounded, result.placement).feasible:
            continue
        kind = verifier.PROBLEMS["edgeshard-batch"](instance_document(bounded))
        cost = kind.value(as_read(placement))
        assert float(cost) == pytest.approx(result.objective, rel=1e-9)
        above += cost * placement["batch_size"] > Fraction(repr(limit))
    assert above


def test_times_from_rates():
    """Experts that a batch or a prompt reads, an input's first layer with pins that count it: from the file, and as it is written."""
    draw, seen = random.Random(5), np.zeros(2, dtype=int)
    for seed in range(1, 61):
        document = from_rates(seed)
        instance = placewise.read(document)
        seen += compared(instance, as_read(document), draw, 30)
        seen += compared(instance, instance_document(instance), draw, 30)
    assert seen.min() > 200


def test_what_follows_from_rates_is_certified():
    """Optima by enumeration, and that there is none."""
    statuses = set()
    for seed in range(1, 41):
        result = solve(placewise.read(from_rates(seed)), "brute-force", isolate=False)
        statuses.add(result.status)
        certificate = placewise.certify(result.instance, result)
        verdict = verdict_on(result.instance, result.to_json()["placement"], certificate)
        assert not isinstance(verdict, str), verdict
        assert (verdict.bound is None) == (result.status is Status.INFEASIBLE)
        if verdict.bound is not None:
            assert float(verdict.bound) == pytest.approx(result.objective, rel=1e-9, abs=1e-12)
    assert statuses == {Status.OPTIMAL, Status.INFEASIBLE}


def test_a_prompt_beside_stated_times_and_work_is_refused():
    """Whether its pass follows from rates depends on each time there; the line names what helps."""
    document = placewise.to_document(placewise.read("hand-split"))
    document["request"] = {"prompt_tokens": 3, "new_tokens": 2, "counts": "request"}
    assert verifier.PROBLEMS[document["problem"]](as_read(document)).prompt == 3
    for layer in document["model"]["layers"]:
        layer["flops"] = 1.0
    instance = placewise.read(document)
    with pytest.raises(PlacewiseError, match=r"request: beside stated times.*--confirm"):
        placewise.certify(instance, solve(instance, isolate=False))


def bounded_in_sum(instance, errors, budget):
    """Return an instance with other errors, of which the sum alone is bounded."""
    document = placewise.to_document(instance)
    document |= {"quantization_error": errors.tolist(), "error_budget": budget, "max_error": None}
    return placewise.read(document)


@pytest.mark.parametrize("computed", [False, True])
def test_widths_and_bounds_on_errors(computed):
    """Bounds on sums that are met to the digit, in both modes."""
    draw, seen = random.Random(7), np.zeros(2, dtype=int)
    for seed in range(1, 25):
        instance = placewise.generate("dilemma", "tiny", seed=seed)
        if (
            computed and not instance.printed
        ):  # a third is no decimal, and its sums are noise in the last digit
            errors = instance.quantization_error / 3
            instance = bounded_in_sum(instance, errors, float(errors[:, -1].sum()))
        seen += compared(instance, instance_document(instance), draw, 200)
    assert seen.min() > 100


def test_errors_are_bounded_by_the_decimals_that_were_written():
    """Three errors of 0.1 meet 0.3, and miss it by a unit of the last digit."""
    instance = placewise.read("dilemma-loophole-corrected")
    errors = np.full((len(instance.layers), len(instance.bit_widths)), 0.1)
    errors[:, 0] = 1.0
    for budget, fits in ((0.3, True), (0.299999999999999, False), (0.3 - 1e-10, False)):
        result = solve(bounded_in_sum(instance, errors, budget), "brute-force", isolate=False)
        assert (result.status is Status.OPTIMAL) == fits
        certificate = placewise.certify(result.instance, result)
        verdict = verdict_on(result.instance, result.to_json()["placement"], certificate)
        assert (verdict.bound is not None) == fits


def test_as_printed_the_third_width_makes_both_messages_free():
    """Between a layer that takes 4 bits at best and one that needs 8, 16 bits cost less than a message of either."""
    instance = placewise.read("dilemma-loophole-as-printed")
    document = placewise.to_document(instance)
    heavy, light = ({**document["model"]["layers"][0], "flops": flops} for flops in (1000.0, 0.001))
    for layer in (heavy, light):
        layer |= {"parameters": 1, "output_elements": 1000.0}
        layer.pop("repeat", None)
    document["model"]["layers"] = [heavy, light, heavy]
    document |= {"bit_widths": [4, 8, 16], "max_error": 0.5}
    document["quantization_error"] = [[0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.9, 0.1, 0.1]]
    result = solve(placewise.read(document), "brute-force", isolate=False)
    assert result.to_json()["placement"]["bits"] == [4, 16, 8]
    certificate = placewise.certify(result.instance, result)
    verdict = verdict_on(result.instance, result.to_json()["placement"], certificate)
    assert not isinstance(verdict, str), verdict
    above = verdict.cost * Fraction(1_000_001, 1_000_000)
    proof = certificate["proofs"][0] | {"bound": str(above), "labels": 10**6}
    with pytest.raises(verifier.RefusedError, match="not excluded"):
        verifier.Dilemma(instance_document(result.instance)).prove(above, [proof])
