"""Head-level placement by hand: Table I, delay, migration, memory in every interval, and how files fail."""

import dataclasses

import numpy as np
import pytest

from placewise.instances import to_document
from placewise.instances.files import from_document
from placewise.models.cluster import Cluster
from placewise.models.errors import InstanceError
from placewise.models.head_migration import (
    HeadMigration,
    HeadMigrationDecoder,
    HeadTransformer,
    Interval,
    block_demands,
    evaluate,
    evaluate_decoder,
)
from placewise.models.registry import PROBLEMS
from placewise.solvers import solve
from placewise.solvers.evidence.result import Status

ALL_ON_A, ALL_ON_B, SPLIT = Interval((0, 0), 0, 0), Interval((1, 1), 1, 1), Interval((0, 1), 0, 0)


@pytest.fixture
def layer():
    """Two heads of width 1; at L = 2 a head takes 14 bytes and 16 FLOP, and sends 2 bytes."""
    return HeadTransformer(2, 2, bytes_per_parameter=1, prompt_tokens=1, ffn_flops_factor=2.0)


@pytest.fixture
def two(layer):
    """Devices of 8 and 4 FLOP/s, 2 bytes/s between them, memory for everything on one."""
    return HeadMigration(
        name="two",
        cluster=Cluster(("a", "b"), np.array([48, 48]), np.full((2, 2), 2.0), np.zeros((2, 2))),
        transformer=layer,
        memory_bytes=np.array([[48, 48]]),
        flops_per_s=np.array([[8.0, 4.0]]),
        bandwidth_bytes_per_s=np.full((1, 2, 2), 2.0),
    )


def test_table_1(layer):
    """Each entry at L = 2, one token generated, by hand."""
    head, proj, ffn = block_demands(layer, 2)
    assert (head.memory_bytes, head.flops, head.message_bytes) == (6 + 6 + 2, 12 + 4, 2)
    assert (proj.memory_bytes, proj.flops, proj.message_bytes) == (4, 8, 4)
    assert (ffn.memory_bytes, ffn.flops, ffn.message_bytes) == (16, 16, 0)


@pytest.mark.parametrize(
    ("option", "head", "proj"),
    [
        ({"kv": "per-head"}, (6 + 6 + 4, 16, 2), (4, 8, 4)),
        ({"execution": "cached"}, (14, 6 + 4, 1), (4, 4, 2)),
        ({"parameters_in_memory": True}, (14, 16, 2), (4 + 4, 8, 4)),
    ],
)
def test_readings_of_table_1(layer, option, head, proj):
    """The options of the instance, one by one."""
    found = block_demands(dataclasses.replace(layer, **option), 2)
    assert [(b.memory_bytes, b.flops, b.message_bytes) for b in found[:2]] == [head, proj]


def test_delay_by_hand(two):
    """On one device 4 + 1 + 2 s; with a head on b the other waits for 4 s and a message of 1 s."""
    assert evaluate(two, (ALL_ON_A,)).objective == 7.0
    assert evaluate(two, (SPLIT,)).objective == 8.0
    assert evaluate(two, (Interval((0, 0), 0, 1),)).objective == 4 + 1 + 2 + 4


def test_input_and_overlap(two):
    """The input takes 2 s to b; overlapped, a head's message hides behind the next one's computation."""
    assert evaluate(dataclasses.replace(two, input_from_controller=True), (SPLIT,)).objective == 10.0
    on_b = Interval((1, 1), 0, 0)
    assert evaluate(two, (on_b,)).objective == 2 * 5 + 3
    assert evaluate(dataclasses.replace(two, overlap=True), (on_b,)).objective == 2 * 4 + 1 + 3


def test_migration_is_paid_by_the_footprint_before(two):
    """At L = 1 a head has 9 bytes, the projection 2, the network 8; the slow device is kept."""
    moving = dataclasses.replace(two, initial=ALL_ON_B)
    evaluation = evaluate(moving, (ALL_ON_A,))
    assert evaluation.terms == {"inference": 7.0, "migration": 9.0 + 1.0 + 4.0}
    assert evaluate(moving, (ALL_ON_B,)).objective == 14.0
    assert solve(moving, isolate=False).objective == 14.0
    assert solve(two, isolate=False).objective == 7.0


def test_tokens_weigh_delays_under_lookahead_only(two):
    """Three tokens per interval: L = 4, and three times the delay."""
    several = dataclasses.replace(two, tokens_per_interval=3, memory_bytes=np.array([[500, 500]]))
    one = dataclasses.replace(several, policy="myopic")
    assert evaluate(several, (ALL_ON_A,)).objective == 3 * evaluate(one, (ALL_ON_A,)).objective


def test_memory_is_checked_in_every_interval(two):
    """What fits at L = 2 does not at L = 3."""
    longer = dataclasses.replace(
        two,
        memory_bytes=np.array([[48, 48], [48, 48]]),
        flops_per_s=np.array([[8.0, 4.0]] * 2),
        bandwidth_bytes_per_s=np.full((2, 2, 2), 2.0),
    )
    violations = evaluate(longer, (ALL_ON_A, ALL_ON_A)).violations
    assert [v.message for v in violations] == ["interval 1: a needs 68 bytes and has 48: 20 too many (1)"]
    assert solve(longer, isolate=False).placement[1] != ALL_ON_A


def test_missing_links(two):
    """For messages and for moves."""
    cut = dataclasses.replace(two, bandwidth_bytes_per_s=np.zeros((1, 2, 2)), initial=ALL_ON_B)
    assert {v.constraint for v in evaluate(cut, (SPLIT,)).violations} == {"link", "migration"}
    assert evaluate(cut, (ALL_ON_B,)).feasible


def test_what_is_no_trajectory_is_said(two):
    """A wrong number of intervals or heads, a device that is none."""
    for wrong in (None, (), (ALL_ON_A, ALL_ON_A), (Interval((0,), 0, 0),), (Interval((0, 2), 0, 0),), (7,)):
        assert evaluate(two, wrong).violations[0].constraint == "assignment"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory_bytes": [[1, 1], [1, 1]]}, "memory_bytes: expected 1 rows, found 2"),
        ({"memory_bytes": [1]}, "memory_bytes: expected 2 values, found 1"),
        ({"flops_per_s": [[1, 0]]}, r"flops_per_s\[0\]\[1\]: expected FLOP/s > 0"),
        (
            {"bandwidth_bytes_per_s": [[None, None], [1, None]]},
            "bandwidth_bytes_per_s: expected numbers, found null",
        ),
        ({"controller": "c"}, "controller: expected a device of the cluster, found 'c'"),
        ({"intervals": 0}, "intervals: expected >= 1, found 0"),
        (
            {"initial_placement": {"heads": ["a"], "proj": "a", "ffn": "a"}},
            "initial_placement.heads: expected 2 devices, found 1",
        ),
        (
            {"initial_placement": {"heads": ["a", "x"], "proj": "a", "ffn": "a"}},
            r"initial_placement.heads\[1\]: expected a device",
        ),
    ],
)
def test_bad_files_name_the_place(two, change, message):
    """One clear line."""
    with pytest.raises(InstanceError, match=message):
        from_document(to_document(two) | change)


def test_an_embedding_that_heads_do_not_divide_is_refused():
    """The path and the number."""
    with pytest.raises(
        InstanceError, match=r"transformer\.embedding_dim: expected a multiple of the 3 heads"
    ):
        HeadTransformer(3, 8)


def test_results_are_read_back(two):
    """By device names, or refused with the path."""
    problem = PROBLEMS["head-migration"]
    document = problem.placement_json(two, (SPLIT,))
    assert document == {"intervals": [{"heads": ["a", "b"], "proj": "a", "ffn": "a"}]}
    assert problem.from_json(two, document) == (SPLIT,)
    document["intervals"][0]["proj"] = "z"
    with pytest.raises(InstanceError, match=r"placement.intervals\[0\].proj: expected a device, found 'z'"):
        problem.from_json(two, document)


def test_simple_reasons_for_infeasibility(two):
    """Each is a proof, and the solver agrees."""
    for memory, reason in (
        ([10, 10], "a head needs 14 bytes"),
        ([16, 16], "2 of 2"),
        ([13, 16], "hold 1 of 2 heads"),
    ):
        small = dataclasses.replace(two, memory_bytes=np.array([memory]))
        found = PROBLEMS[two.problem].diagnose(small)
        if found is None:
            assert memory == [16, 16]
        else:
            assert reason in found
        assert solve(small, isolate=False).status is Status.INFEASIBLE


def test_groups_share_keys_and_values(layer):
    """A group of two heads needs (2 + 2)(L + D) d b and its cache; groups of one are heads."""
    grouped = dataclasses.replace(layer, kv_heads=1)
    unit = block_demands(grouped, 2)[0]
    assert grouped.units == 1
    assert (unit.memory_bytes, unit.flops, unit.message_bytes) == (4 * 4 + 2, 4 * 2 * 2 + 2 * 4, 4)
    assert block_demands(dataclasses.replace(layer, kv_heads=2), 2) == block_demands(layer, 2)
    with pytest.raises(InstanceError, match="divisor of the 2 heads"):
        dataclasses.replace(layer, kv_heads=3)


def test_two_layers_by_hand(two):
    """The second layer waits for the first one's network: 4 bytes in 2 s to each device with heads."""
    decoder = HeadMigrationDecoder(two, 2)
    assert evaluate_decoder(decoder, ((ALL_ON_A, ALL_ON_A),)).violations[0].constraint == "memory"
    assert evaluate_decoder(decoder, ((ALL_ON_A, ALL_ON_B),)).objective == 7.0 + 2.0 + 14.0
    spread = Interval((0, 1), 1, 1)
    apart = evaluate_decoder(decoder, ((Interval((0, 1), 0, 0), spread),))
    assert apart.objective == 8.0 + max(2 + 1, 2 + 4) + 6.0


def test_one_layer_is_the_layer(two):
    """A decoder of one layer costs what the layer costs, also with a placement before."""
    moved = dataclasses.replace(two, initial=ALL_ON_B)
    decoder = HeadMigrationDecoder(two, 1, (ALL_ON_B,))
    for now in (ALL_ON_A, ALL_ON_B, SPLIT):
        whole = evaluate_decoder(decoder, ((now,),))
        assert whole == evaluate(moved, (now,)) or (whole.objective == evaluate(moved, (now,)).objective)


def test_decoder_placements_name_what_is_wrong(two):
    """Shapes, and a result file's entries."""
    decoder = HeadMigrationDecoder(two, 2)
    problem = PROBLEMS["head-migration-decoder"]
    for wrong in (None, (), ((ALL_ON_A,),), ((ALL_ON_A, 3),), ((ALL_ON_A, Interval((0, 7), 0, 0)),)):
        assert evaluate_decoder(decoder, wrong).violations[0].constraint == "assignment"
    document = problem.placement_json(decoder, ((ALL_ON_A, ALL_ON_B),))
    assert problem.from_json(decoder, document) == ((ALL_ON_A, ALL_ON_B),)
    document["intervals"][0]["layers"][1]["proj"] = "c"
    with pytest.raises(InstanceError, match=r"placement\.intervals\[0\]\.layers\[1\]\.proj"):
        problem.from_json(decoder, document)
