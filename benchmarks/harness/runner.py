"""Running a suite: what is done stays done, one worker process per run, contradictions with what reproduces them."""

from __future__ import annotations

import json
import re
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from placewise.benchmarks.harness.plain import error_line
from placewise.benchmarks.harness.record_file import RecordFile
from placewise.benchmarks.harness.records import (
    Record,
    failed_record,
    grouped,
    read_records,
    record_of,
    skipped_record,
)
from placewise.benchmarks.harness.suites import RunSpec, SuiteSpec, expand
from placewise.instances.files import read_json, write, write_text
from placewise.models.errors import PlacewiseError
from placewise.models.registry import problem_named
from placewise.solvers.certificates.files import is_certified
from placewise.solvers.evidence.conflicts import find_conflicts
from placewise.solvers.execution.processes import end_all
from placewise.solvers.execution.statement import write_model
from placewise.solvers.registry import find_method
from placewise.solvers.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    from placewise.models.problem import Instance
    from placewise.solvers.evidence.result import Conflict

    #: ``(runs, suite's name) -> records``, in any order.
    Engine: TypeAlias = Callable[[list[RunSpec], str], Generator[dict[str, Any], None, None]]

#: How a result says that its worker, or CBC below it, was ended by somebody else: by the kernel for its memory, by a
#: batch system.
ENDED_FROM_OUTSIDE = re.compile(r"(the worker|CBC:) died by signal SIG(KILL|TERM|HUP|XCPU)\b")
#: Seconds between two looks at runs that were told to end.
LOOK_S = 0.1


def perform_run(run: RunSpec, suite: str) -> dict[str, Any]:
    """Perform one run in a worker process of its own and return its record; errors are records too."""
    instance = run.load()
    began = perf_counter()
    try:
        result = solve(
            instance,
            run.method,
            time_limit=run.time_limit,
            relative_gap=run.relative_gap,
            threads=run.threads,
            seed=run.seed,
            memory_limit_bytes=run.memory_limit_bytes,
        )
        transient = ENDED_FROM_OUTSIDE.match(result.message) is not None
        wall_s = perf_counter() - began
        certified = run.certify and result.proven and is_certified(result)
        return record_of(run, suite, instance, result, wall_s, transient=transient) | {"certified": certified}
    except PlacewiseError as refusal:  # does not apply, or is not installed
        return skipped_record(run, suite, instance, str(refusal))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a method gave must not stop the others
        # No processes, files or memory left: not the method's doing, as far as one can see.
        return failed_record(
            run,
            suite,
            instance,
            error_line(error),
            perf_counter() - began,
            transient=isinstance(error, OSError | MemoryError),
        )


def in_threads(jobs: int) -> Engine:
    """Return an engine that keeps so many worker processes busy on this machine."""

    def engine(runs: list[RunSpec], suite: str) -> Generator[dict[str, Any], None, None]:
        if jobs == 1:  # Ctrl-C then reaches the run itself
            yield from (perform_run(run, suite) for run in runs)
            return
        with ThreadPoolExecutor(jobs) as pool:
            waiting, running = iter(runs), set[Future[dict[str, Any]]]()
            try:
                while True:
                    for run in waiting:
                        running.add(pool.submit(perform_run, run, suite))
                        if len(running) == jobs:
                            break
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            finally:
                while running:  # only on an interruption, which reaches this thread alone
                    for future in running:
                        future.cancel()
                    end_all()
                    running = wait(running, timeout=LOOK_S).not_done

    return engine


def run_suite(
    suite: SuiteSpec,
    folder: Path,
    engine: Engine,
    *,
    retry_errors: bool = False,
    started: Callable[[int, int], None] | None = None,
    finished: Callable[[dict[str, Any]], None] | None = None,
    rejected: Callable[[str], None] | None = None,
) -> list[Record]:
    """Perform the runs of a suite that a folder does not hold yet; return all records.

    Parameters
    ----------
    suite : SuiteSpec
        As `read_suite` returns it.
    folder : Path
        Where records are; it keeps the suite's specification, and takes no other suite.
    engine : callable
        Takes the runs, yields their records.
    retry_errors : bool
        Also repeat runs that ended in an error or by something outside them; the newer record counts.
    started, finished : callable, optional
        Told how many runs there are and are done, and given each record.
    rejected : callable, optional
        Told in one line if lines of the file were no records.
    """
    runs = expand(suite)
    with RecordFile(folder) as file:
        _freeze(runs, suite.name, folder / "suite.json")
        if file.rejected and rejected:
            rejected(file.rejected)
        done = {key for key, record in file.records.items() if not (retry_errors and record.failed)}
        left = [run for run in runs if run.key not in done]
        if started:
            started(len(runs), len(runs) - len(left))
        with closing(engine(left, suite.name)) as records_of_left:
            for record in records_of_left:
                file.append(record, again=retry_errors)
                if finished:
                    finished(record)
    records = read_records(folder)
    write_conflicts(records, folder / "conflicts")
    return records


def _freeze(runs: list[RunSpec], name: str, path: Path) -> None:
    """Keep the suite's runs beside the records, or check that they are the same ones."""
    document = {"suite": name, "runs": {run.key: asdict(run) for run in runs}}
    if path.exists():
        if read_json(path) != json.loads(json.dumps(document)):
            raise PlacewiseError(f"{path}: holds another suite, or other limits; expected a new folder")
        return
    write_text(path, json.dumps(document, indent=1) + "\n")


def all_conflicts(records: Iterable[Record]) -> list[tuple[Record, Conflict]]:
    """Return what cannot be true together, within and between runs on one instance, with a record of it."""
    found = []
    known = [record for record in records if record.status is not None]
    for _, same in grouped(known, "instance_sha256"):
        found += [(same[0], conflict) for conflict in find_conflicts(same)]
    return found


def write_conflicts(records: list[Record], folder: Path) -> None:
    """Write for each contradiction the instance, both results, and the model as MPS: what reproduces it."""
    for number, (record, conflict) in enumerate(all_conflicts(records), 1):
        place = folder / f"{number}-{conflict.kind}"
        place.mkdir(parents=True, exist_ok=True)
        for method in conflict.methods:
            said = next((r for r in records if (r.instance, r.method) == (record.instance, method)), None)
            if said is not None:
                write_text(
                    place / f"result-{file_name(method)}.json",
                    json.dumps(said.document | {"format": "placewise-result/1"}, indent=1),
                )
        run = record.document["run"]
        reproduce = (
            f"{conflict.kind}: {conflict.message}\n\n"
            f"placewise compare instance.json --methods {','.join(conflict.methods)} --seed {run.get('seed', 0)} "
            f"--time-limit {run.get('time_limit', 60):g}\n"
        )
        try:
            instance = RunSpec(**run).load()
            write(instance, place / "instance.json")
            _write_mps(instance, conflict.methods, place)
        except Exception as error:  # noqa: BLE001 - its file is gone, or the model is at fault: the rest is still shown
            reproduce += f"\nThe instance or its model could not be written: {error_line(error)}\n"
        write_text(place / "reproduce.txt", reproduce)


def _write_mps(instance: Instance, methods: tuple[str, ...], place: Path) -> None:
    """Write the declarative model of each method, the problem's first one, if it has any, for methods without."""
    first = next(iter(problem_named(instance.problem).formulations), None)
    stated = {find_method(instance.problem, method).formulation or first for method in methods}
    for name in sorted(name for name in stated if name is not None):
        write_model(instance, name, "mps", place / f"model-{name}.mps")


def file_name(text: str) -> str:
    """Return a text as part of a file name: nothing in it leads elsewhere."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:80]
