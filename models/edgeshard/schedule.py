"""A pipeline at work: which device computes which token of which micro-batch when (Section IV-B, Fig. 5).

A micro-batch passes all stages for its prompt (prefill), and again for each further token (decode), which starts when
the token before has come back to the source. Devices and links serve micro-batches in turn, one at a time; a link's latency delays what it sends and keeps nobody
waiting. With n micro-batches in flight the rate comes to a steady ``n / max(n T, Lambda)``.

- ``no-bubbles``: a micro-batch goes on as soon as its token is back;
- ``bubbles``: all wait until the last micro-batch has finished the iteration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from placewise.models.edgeshard.batch_placement import parts_of, placement_of
from placewise.models.edgeshard.batches import EdgeShardBatch
from placewise.models.edgeshard.cost import time_tables
from placewise.models.edgeshard.placement import evaluate_throughput, memory_violations
from placewise.models.edgeshard.request import Request
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance

#: In flight where nothing says how many.
DEFAULT_MICRO_BATCHES = 4
STRATEGIES = ("no-bubbles", "bubbles")


class Task(NamedTuple):
    """One use of a device or link.

    Parameters
    ----------
    resource : str
        A device's name, or ``sender -> receiver``.
    micro_batch, token : int
        Whose token; token 0 is the prefill, which yields the first one.
    start_s, end_s : float
        When it is occupied.
    delay_s : float
        After its end, until what a link sends has arrived.
    """

    resource: str
    micro_batch: int
    token: int
    start_s: float
    end_s: float
    delay_s: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """All tasks of a run.

    Parameters
    ----------
    strategy : str
        One of `STRATEGIES`.
    micro_batches, tokens : int
        Micro-batches, and tokens that each generates.
    devices : tuple of str
        The stages' devices, in order.
    tasks : tuple of Task
        In the order in which they were planned.
    """

    strategy: str
    micro_batches: int
    tokens: int
    devices: tuple[str, ...]
    tasks: tuple[Task, ...]

    @property
    def makespan_s(self) -> float:
        """When the last token is back at the source."""
        return max(task.end_s + task.delay_s for task in self.tasks)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all micro-batches over the makespan; times the sequences in a micro-batch, if it has several."""
        return self.micro_batches * self.tokens / self.makespan_s if self.makespan_s else float("inf")

    @property
    def steady_tokens_per_s(self) -> float:
        """Tokens per second and sequence of all micro-batches in the second half of the run, which no start slows down."""
        back_s: dict[int, float] = {}
        for task in self.tasks:
            if task.micro_batch == self.micro_batches - 1:
                back_s[task.token] = task.end_s + task.delay_s
        half, last = (self.tokens - 1) // 2, self.tokens - 1
        if half == last or back_s[last] == back_s[half]:
            return self.tokens_per_s
        return self.micro_batches * (last - half) / (back_s[last] - back_s[half])

    def busy(self, device: str) -> float:
        """Return the share of the makespan in which a device computes."""
        total_s = sum(task.end_s - task.start_s for task in self.tasks if task.resource == device)
        return total_s / self.makespan_s if self.makespan_s else 1.0


def simulate(
    instance: EdgeShardInstance | EdgeShardBatch,
    placement: Any,
    *,
    micro_batches: int | None = None,
    tokens: int = 96,
    prompt_tokens: int = 32,
    strategy: str = "no-bubbles",
) -> Schedule:
    """Return the schedule of a pipeline.

    Parameters
    ----------
    instance : EdgeShardInstance or EdgeShardBatch
        Of throughput, whose times are those of one micro-batch and whose memory is what it says, however many are in
        flight; or of batches, where the caches of all micro-batches in flight must fit.
    placement : object
        A feasible pipeline: the device of each layer, for batches with its batch size (and number in flight).
    micro_batches : int, optional
        In flight together; by default what the placement says, else 4, or as many as fit.
    tokens : int
        That each micro-batch generates, the first one by its prefill.
    prompt_tokens : int
        Length of the prompt.
    strategy : str
        One of `STRATEGIES`.

    Raises
    ------
    PlacewiseError
        If the placement is no pipeline of the instance, its memory does not hold the caches of all micro-batches in
        flight, or a number is not positive.
    """
    if strategy not in STRATEGIES:
        raise PlacewiseError(f"strategy: expected one of {', '.join(STRATEGIES)}, found {strategy!r}")
    for name, number in (
        ("micro_batches", 1 if micro_batches is None else micro_batches),
        ("tokens", tokens),
        ("prompt_tokens", prompt_tokens),
    ):
        if number < 1:
            raise PlacewiseError(f"{name}: expected at least 1, found {number}")
    if isinstance(instance, EdgeShardBatch):
        instance, placement, micro_batches = _chosen(instance, placement, micro_batches)
    micro_batches = DEFAULT_MICRO_BATCHES if micro_batches is None else micro_batches
    evaluation = evaluate_throughput(instance, placement)
    if not evaluation.feasible:
        raise PlacewiseError(f"not a pipeline: {evaluation.violations[0].message}")

    instance = instance.at_source(placement[0])
    stages = [list(stage) for _, stage in groupby(range(len(placement)), key=placement.__getitem__)]
    prefill, decode = (
        _steps(replace(instance, request=Request(prompt_tokens, tokens, counts)), placement, stages)
        for counts in ("prefill", "decode")
    )
    free_s: dict[str, float] = {}
    back_s = [0.0] * micro_batches  # when a micro-batch's last token was back at the source
    tasks: list[Task] = []
    for token in range(tokens):
        if strategy == "bubbles":
            back_s = [max(back_s)] * micro_batches
        for micro_batch in range(micro_batches):
            now_s = back_s[micro_batch]
            for resource, duration_s, delay_s in decode if token else prefill:
                start_s = max(now_s, free_s.get(resource, 0.0))
                free_s[resource] = start_s + duration_s
                now_s = free_s[resource] + delay_s
                tasks.append(Task(resource, micro_batch, token, start_s, free_s[resource], delay_s))
            back_s[micro_batch] = now_s
    devices = tuple(instance.cluster.device_names[placement[stage[0]]] for stage in stages)
    return Schedule(strategy, micro_batches, tokens, devices, tuple(tasks))


def _chosen(
    instance: EdgeShardBatch, placement: Any, micro_batches: int | None
) -> tuple[EdgeShardInstance, tuple[int, ...], int]:
    """Return the pipeline of a choice with the memory of all that is in flight, its devices, and how many that are."""
    known, refusals = placement_of(instance, placement)
    if known is None:
        raise PlacewiseError(f"not a pipeline: {refusals[0].message}")
    in_flight, batch_size, layers = parts_of(known)
    if micro_batches is None:
        micro_batches = in_flight or next(
            (
                number
                for number in range(DEFAULT_MICRO_BATCHES, 1, -1)
                if not memory_violations(instance.at(batch_size, number), layers)
            ),
            1,
        )
    overloads = memory_violations(instance.at(batch_size, micro_batches), layers)
    if overloads and not memory_violations(instance.at(batch_size), layers):
        raise PlacewiseError(
            f"micro_batches: the caches of {micro_batches} micro-batches of {batch_size} do not fit: "
            f"{overloads[0].message}"
        )
    return instance.at(batch_size, micro_batches), layers, micro_batches


def _steps(
    instance: EdgeShardInstance, placement: Sequence[int], stages: list[list[int]]
) -> list[tuple[str, float, float]]:
    """Return resources, how long one pass through the pipeline occupies them, and what delays it after each."""
    costs, names = time_tables(instance), instance.cluster.device_names
    steps: list[tuple[str, float, float]] = []
    for number, stage in enumerate(stages):
        device = placement[stage[0]]
        if number:
            sender, layer = placement[stage[0] - 1], stage[0] - 1
            hop_s, under_way_s = (
                float(table[sender, device]) for table in (costs.transfer_s(layer), costs.delay_s(layer))
            )
            steps.append((f"{names[sender]} -> {names[device]}", hop_s, under_way_s - hop_s))
        steps.append((names[device], float(costs.compute_s[stage, device].sum()), 0.0))
    last = placement[-1]
    if costs.return_delay_s[last]:  # one token comes back, after a prompt too
        back_s, under_way_s = float(costs.return_s[last]), float(costs.return_delay_s[last])
        steps.append((f"{names[last]} -> {names[instance.source_index]}", back_s, under_way_s - back_s))
    return steps
