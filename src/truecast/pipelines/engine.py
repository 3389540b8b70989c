"""The work of many instruments, done in local processes or on an existing Ray cluster.

An item is a plain description: whoever works on it opens the home by itself, and what it makes
goes into the lake and the store of bundles, which are atomic; what comes back is small. So an item
that was lost with its worker is sent again, and it does not matter who works on it, nor when.
"""

import os
import platform
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from truecast.core.errors import TruecastError
from truecast.core.settings import Settings
from truecast.core.threads import available_cores, one_thread
from truecast.pipelines.cluster import EngineError, cluster

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Local processes at most, unless ``TRUECAST_WORKERS`` says otherwise: each holds what it works on.
MOST_PROCESSES = 8
#: How often an item may be lost with its worker before it is given up.
TRIES = 3
#: After how long a local process ends that has nothing to do.
IDLE_SECONDS = 60
#: Read by libraries when a worker imports them: as many workers as cores are at work.
ONE_CORE = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
#: Chunks that each worker gets, and items in a chunk at most: few enough to lose, and to share out.
CHUNKS, CHUNK_ITEMS = 4, 16


class _LostError(Exception):
    """Workers ended before they brought back what they had been given."""


@dataclass(frozen=True)
class _Failed:
    """An error that Truecast raised on purpose: its kind and words, which any process can send."""

    kind: type[TruecastError]
    message: str

    def error(self) -> TruecastError:
        """Return it as it was raised; its class may not be made from words alone."""
        error = self.kind.__new__(self.kind, self.message)
        error.args = (self.message,)
        return error


class _Workers(Protocol):
    """Processes or tasks that work at once, as many as ``count``."""

    count: int

    def start(self, function: Callable[[Any], Any], chunk: dict[str, Any]) -> Any:
        """Give a chunk to a worker; return what stands for it."""

    def next(self, running: list[Any]) -> Any:
        """Wait until one of those that run has ended, and return it."""

    def result(self, ended: Any) -> dict[str, Any]:
        """Return what it brought back, or raise :class:`_LostError`."""


def workers_for(settings: Settings, items: int) -> int:
    """Return how many local processes work on so many items; 1 means this process does.

    ``TRUECAST_WORKERS``, or else one for two items and for each core, at most
    :data:`MOST_PROCESSES`: it takes seconds until a process has imported what it needs.
    """
    if settings.workers is not None:
        return min(settings.workers, items)
    return max(1, min(available_cores(), MOST_PROCESSES, items // 2))


def works_here(settings: Settings, items: int) -> bool:
    """Say whether so many items are worked on in this process."""
    return items < 2 or (settings.engine == "local" and workers_for(settings, items) == 1)


def run(
    function: Callable[[Item], Result],
    items: Mapping[str, Item],
    settings: Settings,
    *,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Result]:
    """Do the same with each of several items, by the engine that the settings name.

    Parameters
    ----------
    function : callable
        Of a module, so that another process finds it. Done twice, it makes the same.
    items : mapping of str to object
        Plain descriptions by name, such as the instrument's.
    settings : Settings
        ``engine``, ``workers`` and ``ray_address``.
    tell : callable
        Told how many items are done, and of how many.

    Returns
    -------
    dict of str to object
        What came of each item, in the order of the items: the same by every engine.

    Raises
    ------
    TruecastError
        What the function raised for an item.
    EngineError
        If Ray or its cluster is not there; or if an item has been lost with its worker three
        times: it names those that are missing.

    Notes
    -----
    One item is worked on in this process, as if there were no engine. A worker computes on one
    core. Items that share a lost worker are sent again, one by one.
    """
    if len(items) < 2:
        return {name: function(item) for name, item in items.items()}
    if works_here(settings, len(items)):
        return _here(function, items, tell)
    with _opened(settings, len(items)) as workers:
        done: dict[str, Result] = {}
        for found in _brought_back(workers, function, items):
            done |= found
            tell(len(done), len(items))
    return {name: done[name] for name in items}


def _here(
    function: Callable[[Item], Result],
    items: Mapping[str, Item],
    tell: Callable[[int, int], None],
) -> dict[str, Result]:
    done: dict[str, Result] = {}
    with one_thread("blas"):
        for name, item in items.items():
            done[name] = function(item)
            tell(len(done), len(items))
    return done


def _brought_back(
    workers: _Workers, function: Callable[[Any], Any], items: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Share the items out; yield what comes back, in any order, until nothing is missing."""
    size = max(1, min(CHUNK_ITEMS, len(items) // (CHUNKS * workers.count)))
    names = [*items]
    waiting = deque(names[start : start + size] for start in range(0, len(names), size))
    running: dict[Any, list[str]] = {}
    missing, tries = dict.fromkeys(names), Counter[str]()
    while waiting or running:
        while waiting and len(running) < workers.count:
            chunk = waiting.popleft()
            running[workers.start(function, {name: items[name] for name in chunk})] = chunk
        ended = workers.next([*running])
        chunk = running.pop(ended)
        try:
            found = workers.result(ended)
        except _LostError as error:
            tries.update(chunk)
            if max(tries[name] for name in chunk) == TRIES:
                raise EngineError(
                    f"{len(missing)} of {len(items)} are missing: {', '.join(missing)}. Workers "
                    f"with {', '.join(chunk)} ended {TRIES} times, as they do where memory runs "
                    "out: set TRUECAST_WORKERS to fewer"
                ) from error
            waiting.extend([name] for name in chunk)
            continue
        for name in chunk:
            missing.pop(name)
        yield _good(found)


def _good(found: dict[str, Any]) -> dict[str, Any]:
    for result in found.values():
        if isinstance(result, _Failed):
            raise result.error()
    return found


def _work(function: Callable[[Any], Any], chunk: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Work on a chunk in a process that is there for nothing else, on one core."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if not folder.is_dir():
        raise EngineError(
            f"a worker on {platform.node()} has no folder {folder}: what workers read and write "
            "lies in folders that all machines share"
        )
    os.chdir(folder)  # a recipe may name files relative to where it was typed
    with one_thread():
        return {name: _tried(function, item) for name, item in chunk.items()}


def _tried(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except TruecastError as error:
        return _Failed(type(error), str(error))


class _Processes:
    """Processes of this machine, by joblib's loky; they stay for a while, to be used again."""

    def __init__(self, count: int) -> None:
        self.count = count

    def start(self, function: Callable[[Any], Any], chunk: dict[str, Any]) -> Any:
        from joblib.externals.loky.process_executor import BrokenProcessPool

        given = (_work, function, chunk, Path.cwd())
        try:
            return self._pool().submit(*given)
        except BrokenProcessPool:  # a loss that is noticed no sooner than here: these are new
            return self._pool().submit(*given)

    def _pool(self) -> Any:
        """Return the processes that are there; after a loss new ones."""
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(max_workers=self.count, timeout=IDLE_SECONDS, env=ONE_CORE)

    def next(self, running: list[Any]) -> Any:
        from concurrent.futures import FIRST_COMPLETED, wait

        return next(iter(wait(running, return_when=FIRST_COMPLETED).done))

    def result(self, ended: Any) -> dict[str, Any]:
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        try:
            found: dict[str, Any] = ended.result()
        except TerminatedWorkerError as error:
            raise _LostError from error
        return found


class _Tasks:
    """Tasks of a Ray cluster."""

    def __init__(self, ray: Any, count: int) -> None:
        self.count, self._ray = count, ray
        # Ray's own repeats would not know what is done already.
        self._task = ray.remote(max_retries=0, num_cpus=1, scheduling_strategy="SPREAD")(_work)

    def start(self, function: Callable[[Any], Any], chunk: dict[str, Any]) -> Any:
        return self._task.remote(function, chunk, Path.cwd())

    def next(self, running: list[Any]) -> Any:
        return self._ray.wait(running, num_returns=1)[0][0]

    def result(self, ended: Any) -> dict[str, Any]:
        lost = self._ray.exceptions.RayError
        try:
            found: dict[str, Any] = self._ray.get(ended)
        except self._ray.exceptions.RayTaskError:
            raise  # the function's own
        except lost as error:
            raise _LostError from error
        return found


@contextmanager
def _opened(settings: Settings, items: int) -> Iterator[_Workers]:
    if settings.engine == "local":
        yield _Processes(workers_for(settings, items))
        return
    with cluster(settings.ray_address) as (ray, cores):
        yield _Tasks(ray, min(cores, settings.workers or cores, items))
