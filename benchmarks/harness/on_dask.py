"""A suite on a Dask cluster: many machines, or several worker processes of this one.

Dask, since its scheduler repeats the tasks of a worker that dies, a task is one Python call, and a cluster is two
commands without further services. The client alone writes records, so none is lost or written twice. It hands over
a few runs at a time: when the scheduler dies, those are lost and marked as such, and the others were not begun.
"""

from __future__ import annotations

import logging
import queue
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.harness.plain import error_line
from placewise.benchmarks.harness.records import failed_record
from placewise.benchmarks.harness.runner import perform_run
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from placewise.benchmarks.harness.runner import Engine
    from placewise.benchmarks.harness.suites import RunSpec

#: Workers that may die during one run before the run itself is to blame.
MOST_DEATHS = 3
#: Seconds until a scheduler must answer; without any worker; between two looks at both.
ANSWER_S = 30.0
LONELY_S = 60.0
LOOK_S = 1.0
#: Runs handed over per thread of the cluster: one runs, one waits.
AHEAD = 2


def on_dask(address: str) -> Engine:
    """Return an engine on a cluster.

    Parameters
    ----------
    address : str
        Of a scheduler, e.g. ``tcp://10.0.0.1:8786``, or ``local:N`` for N worker processes of one thread here.

    Raises
    ------
    PlacewiseError
        When Dask is not installed, nothing answers, or the cluster is lost before the last run; the runs that it
        had are then records already.
    """
    if find_spec("distributed") is None:
        raise PlacewiseError("--dask needs Dask: pip install 'placewise[dask]'")
    local = _count(address) if address.startswith("local:") else None

    def engine(runs: list[RunSpec], suite: str) -> Generator[dict[str, Any], None, None]:
        if not runs:
            return
        import dask
        from distributed import Client

        # What dies is told by records and by one line, not by tracebacks of the libraries below.
        for name in ("distributed", "distributed.client", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # A run starts a process of its own, which daemonic workers may not.
        settings = {"distributed.worker.daemon": False, "distributed.scheduler.allowed-failures": MOST_DEATHS}
        with dask.config.set(settings), _scheduler(address, local) as target:
            try:
                client = Client(target, timeout=ANSWER_S)
            except (OSError, ValueError, TypeError) as error:
                raise PlacewiseError(f"--dask {address}: {error_line(error)}") from None
            with client:
                yield from _gathered(_Cluster(client, suite, address), runs)

    return engine


def _count(address: str) -> int:
    number = address.removeprefix("local:")
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= 10_000):
        raise PlacewiseError(f"--dask {address}: expected local:N with N of at least 1")
    return int(number)


@contextmanager
def _scheduler(address: str, local: int | None) -> Iterator[Any]:
    """Give what a client connects to: the address, or a cluster of this machine that leaves no file."""
    if local is None:
        yield address
        return
    import dask
    from distributed import LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="placewise-dask-", ignore_cleanup_errors=True) as folder,
        dask.config.set({"temporary-directory": folder}),
        LocalCluster(
            n_workers=local,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
            local_directory=folder,
            env={"TMPDIR": folder, "DASK_LOGGING__DISTRIBUTED": "critical"},
        ) as cluster,
    ):
        yield cluster


class _LostClusterError(Exception):
    """The scheduler is gone, or all workers are."""


class _Cluster:
    """A client, what it handed over, and whether anybody still works on it.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    suite, address : str
        For records and messages.
    """

    def __init__(self, client: Any, suite: str, address: str) -> None:
        self.client, self.suite, self.address = client, suite, address
        self.running: dict[Any, RunSpec] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads, self._seen, self._looked = 1, monotonic(), float("-inf")

    def room(self) -> int:
        """Return how many runs may be handed over now; raise `_LostClusterError` where nobody takes any."""
        now = monotonic()
        if now - self._looked >= LOOK_S:
            try:
                counts = self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER_S)
            except (
                OSError,
                TypeError,
                AttributeError,
                RuntimeError,
            ) as error:  # closing clients raise any of them
                raise _LostClusterError(f"its scheduler does not answer ({error_line(error)})") from None
            self._looked = monotonic()
            if counts:
                self._threads, self._seen = sum(counts.values()), self._looked
            elif self._looked - self._seen > LONELY_S:
                raise _LostClusterError(f"it had no worker for {LONELY_S:g} s")
        return AHEAD * self._threads - len(self.running)

    def hand_over(self, run: RunSpec) -> None:
        """Submit a run."""
        future = self.client.submit(perform_run, run, self.suite, key=f"{self.suite}-{run.key}", pure=False)
        self.running[future] = run
        future.add_done_callback(self._ended.put)

    def next_record(self) -> dict[str, Any] | None:
        """Return the record of a run that ended, None if there is none yet."""
        from distributed.scheduler import KilledWorker

        try:
            future = self._ended.get(timeout=LOOK_S)
        except queue.Empty:
            return None
        if future.status in ("cancelled", "lost"):
            raise _LostClusterError("the connection to its scheduler was lost")
        context = self.running.pop(future)
        try:
            record: dict[str, Any] = future.result(timeout=context.time_limit + ANSWER_S)
        except KilledWorker as error:
            return self.lost(context, error_line(error))
        except OSError as error:  # also of a timeout, and of a connection: the answer went with its worker
            return self.lost(context, f"the answer was lost: {error_line(error)}")
        except Exception as error:  # noqa: BLE001 - whatever the run raised there
            return failed_record(context, self.suite, context.load(), error_line(error))
        finally:
            future.release()  # or a worker that dies takes it along, and it is run again
        return record

    def lost(self, run: RunSpec, why: str) -> dict[str, Any]:
        """Return the record of a run that something outside it ended."""
        return failed_record(run, self.suite, run.load(), why, transient=True)


def _gathered(cluster: _Cluster, runs: list[RunSpec]) -> Generator[dict[str, Any], None, None]:
    waiting = iter(runs)
    begun = 0
    try:
        while True:
            for run in islice(waiting, max(cluster.room(), 0)):
                cluster.hand_over(run)
                begun += 1
            if not cluster.running:
                return
            record = cluster.next_record()
            if record is not None:
                yield record
    except _LostClusterError as loss:
        why = str(loss)
    lost = list(cluster.running.values())
    for run in lost:
        yield cluster.lost(run, f"--dask {cluster.address}: {why}")
    raise PlacewiseError(
        f"--dask {cluster.address}: {why}: {len(lost)} runs were lost, {len(runs) - begun} were not begun; "
        "the same command with --retry-errors goes on"
    )
