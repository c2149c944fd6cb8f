"""A pipeline at work: which device computes which token of which micro-batch when (Section IV-B, Fig. 5).

A micro-batch passes all stages for its prompt (prefill), and again for each further token (decode), which starts when
the token before has come back to the source. Devices and links serve micro-batches in turn, one at a time.

- ``no-bubbles``: a micro-batch goes on as soon as its token is back;
- ``bubbles``: all wait until the last micro-batch has finished the iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from placewise.models.edgeshard.cost import prefill_time_s, time_tables
from placewise.models.edgeshard.placement import evaluate_throughput
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from placewise.models.edgeshard.data import EdgeShardInstance

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
        When.
    """

    resource: str
    micro_batch: int
    token: int
    start_s: float
    end_s: float


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
        return max(task.end_s for task in self.tasks)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all micro-batches over the makespan; times the sequences in a micro-batch, if it has several."""
        return self.micro_batches * self.tokens / self.makespan_s if self.makespan_s else float("inf")

    def busy(self, device: str) -> float:
        """Return the share of the makespan in which a device computes."""
        total_s = sum(task.end_s - task.start_s for task in self.tasks if task.resource == device)
        return total_s / self.makespan_s if self.makespan_s else 1.0


def simulate(
    instance: EdgeShardInstance,
    placement: Sequence[int],
    *,
    micro_batches: int = 4,
    tokens: int = 96,
    prompt_tokens: int = 32,
    strategy: str = "no-bubbles",
) -> Schedule:
    """Return the schedule of a pipeline.

    Parameters
    ----------
    instance : EdgeShardInstance
        Of throughput, or `EdgeShardBatchInstance.at` a batch size; times are those of one micro-batch.
    placement : sequence of int
        Device index of each layer, a feasible pipeline.
    micro_batches : int
        In flight together.
    tokens : int
        That each micro-batch generates, the first one by its prefill.
    prompt_tokens : int
        Length of the prompt.
    strategy : str
        One of `STRATEGIES`.

    Raises
    ------
    PlacewiseError
        If the placement is no pipeline of the instance, or a number is not positive.
    """
    if strategy not in STRATEGIES:
        raise PlacewiseError(f"strategy: expected one of {', '.join(STRATEGIES)}, found {strategy!r}")
    for name, number in (
        ("micro_batches", micro_batches),
        ("tokens", tokens),
        ("prompt_tokens", prompt_tokens),
    ):
        if number < 1:
            raise PlacewiseError(f"{name}: expected at least 1, found {number}")
    evaluation = evaluate_throughput(instance, placement)
    if not evaluation.feasible:
        raise PlacewiseError(f"not a pipeline: {evaluation.violations[0].message}")

    instance = instance.at_source(placement[0])
    stages = [list(stage) for _, stage in groupby(range(len(placement)), key=placement.__getitem__)]
    prefill, decode = (_steps(instance, placement, stages, prompt) for prompt in (prompt_tokens, None))
    free_s: dict[str, float] = {}
    back_s = [0.0] * micro_batches  # when a micro-batch's last token was back at the source
    tasks: list[Task] = []
    for token in range(tokens):
        if strategy == "bubbles":
            back_s = [max(back_s)] * micro_batches
        for micro_batch in range(micro_batches):
            now_s = back_s[micro_batch]
            for resource, duration_s in decode if token else prefill:
                start_s = max(now_s, free_s.get(resource, 0.0))
                now_s = free_s[resource] = start_s + duration_s
                tasks.append(Task(resource, micro_batch, token, start_s, now_s))
            back_s[micro_batch] = now_s
    devices = tuple(instance.cluster.device_names[placement[stage[0]]] for stage in stages)
    return Schedule(strategy, micro_batches, tokens, devices, tuple(tasks))


def _steps(
    instance: EdgeShardInstance, placement: Sequence[int], stages: list[list[int]], prompt_tokens: int | None
) -> list[tuple[str, float]]:
    """Return resources and times of one pass through the pipeline: of a prompt, or of one token for None."""
    costs, names = time_tables(instance), instance.cluster.device_names
    compute_s = costs.compute_s if prompt_tokens is None else prefill_time_s(instance, prompt_tokens)
    steps: list[tuple[str, float]] = []
    for number, stage in enumerate(stages):
        device = placement[stage[0]]
        if number:
            sender, layer = placement[stage[0] - 1], stage[0] - 1
            if prompt_tokens is None:
                hop_s = costs.transfer_s(layer)
            else:
                hop_s = instance.cluster.transfer_time_s(instance.layers[layer].output_bytes * prompt_tokens)
            steps.append((f"{names[sender]} -> {names[device]}", float(hop_s[sender, device])))
        steps.append((names[device], float(compute_s[stage, device].sum())))
    last = placement[-1]
    if costs.return_s[last]:  # one token comes back, after a prompt too
        steps.append((f"{names[last]} -> {names[instance.source_index]}", float(costs.return_s[last])))
    return steps
