"""A suite on a Dask cluster: many machines, or several worker processes of this one.

Dask, since its scheduler repeats the tasks of a worker that dies, a task is one Python call, and a cluster is two
commands without further services. The client alone writes records, so none is lost or written twice.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from placewise.benchmarks.harness.runner import perform_run
from placewise.models.errors import PlacewiseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from placewise.benchmarks.harness.runner import Engine
    from placewise.benchmarks.harness.suites import RunSpec

#: Workers that may die during one run before the run itself is to blame.
MOST_DEATHS = 3


def on_dask(address: str) -> Engine:
    """Return an engine on a cluster.

    Parameters
    ----------
    address : str
        Of a scheduler, e.g. ``tcp://10.0.0.1:8786``, or ``local:N`` for N worker processes of one thread here.

    Raises
    ------
    PlacewiseError
        When Dask is not installed, or nothing answers.
    """
    if find_spec("distributed") is None:
        raise PlacewiseError("--dask needs Dask: pip install 'placewise[dask]'")

    def engine(runs: list[RunSpec], suite: str) -> Iterator[dict[str, Any]]:
        import dask
        from distributed import Client, LocalCluster, as_completed

        # A run starts a process of its own, which daemonic workers may not.
        settings = {"distributed.worker.daemon": False, "distributed.scheduler.allowed-failures": MOST_DEATHS}
        with dask.config.set(settings):
            cluster = None
            target: Any = address
            if address.startswith("local:"):
                cluster = target = LocalCluster(
                    n_workers=_count(address), threads_per_worker=1, dashboard_address=None
                )
            try:
                with Client(target, timeout=30) as client:
                    by_future = {
                        client.submit(perform_run, run, suite, key=f"{suite}-{run.key}"): run for run in runs
                    }
                    for future in as_completed(list(by_future)):
                        run = by_future.pop(future)
                        if future.status == "finished":
                            yield future.result()
                        else:
                            yield _lost(run, suite, str(future.exception()))
                        future.release()  # or a worker that dies takes it along, and it is run again
            except OSError as error:
                raise PlacewiseError(f"--dask {address}: {error}") from None
            finally:
                if cluster is not None:
                    cluster.close()

    return engine


def _count(address: str) -> int:
    number = address.removeprefix("local:")
    if not number.isdigit() or int(number) < 1:
        raise PlacewiseError(f"--dask {address}: expected local:N with N of at least 1")
    return int(number)


def _lost(run: RunSpec, suite: str, why: str) -> dict[str, Any]:
    """Return the record of a run that took its workers with it."""
    from placewise.benchmarks.harness.records import record_of
    from placewise.models.problem import Guarantee
    from placewise.solvers.evidence.result import Status, VerifiedResult

    instance = run.load()
    result = VerifiedResult(
        instance, run.method, Guarantee.HEURISTIC, Status.ERROR, message=" ".join(why.split())[:300]
    )
    return record_of(run, suite, instance, result, 0.0)
