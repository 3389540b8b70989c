"""A process that has imported everything and run nothing: it forks children to be killed.

A child begins its work at once instead of importing for seconds, so that most kills hit the work.
Reads one JSON order a line, prints the child's process id, and its exit status when it has ended.
"""

import json
import os
import sys
import traceback
from datetime import date, datetime, timedelta
from pathlib import Path

import alembic.command
import lightgbm
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import scipy.stats
import sklearn.linear_model
import statsmodels.tsa.stattools
import uvicorn

from truecast.core.clock import frozen_at
from truecast.core.recipe import Recipe
from truecast.core.settings import Settings
from truecast.lake.lake import Lake
from truecast.pipelines import champions, stages
from truecast.pipelines.replay import replay
from truecast.pipelines.studies import Studies
from truecast.serving.feed.feed import Feed
from truecast.serving.runner import serve
from truecast.serving.service import open_service
from truecast.serving.workspace import Workspace

# What the tests share is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))
from lakes.pages import STORY, tell

IMPORTED = (alembic, lightgbm, mlflow, scipy, sklearn, statsmodels, uvicorn)


def feed(settings: Settings, start: datetime, attempt: int) -> None:
    """Let the live feed live through three hours."""
    for hour in range(3):
        # The lease of a process that was killed has run out, by this clock.
        with frozen_at(start + timedelta(hours=hour, seconds=1 + 31 * attempt)):
            found = Feed(open_service(settings), seconds=30)
            found.step()
            found.poll()
            found.step()


def work(order: dict[str, str]) -> None:
    """Do what an order says."""
    if order["do"] == "ingest":
        tell(Lake(order["home"]), [STORY[int(order["step"])]])
        return
    settings = Settings(home=Path(order["home"]))
    workspace = Workspace(settings)
    recipe = Recipe.model_validate_json(order["recipe"])
    match order["do"]:
        case "run":
            stages.run(Studies(workspace, recipe))
        case "train":
            with frozen_at(datetime.fromisoformat(order["at"])):
                champions.train_slots(Studies(workspace, recipe))
        case "promote":
            versions = champions.named(workspace, recipe, order["version"])
            champions.promote(workspace, recipe, versions, by_hand=True)
        case "replay":
            first, last = date.fromisoformat(order["first"]), date.fromisoformat(order["last"])
            replay(Studies(workspace, recipe), first, last)
        case "feed":
            feed(settings, datetime.fromisoformat(order["from"]), int(order["attempt"]))
        case "serve":
            serve(settings, "127.0.0.1", int(order["port"]))
        case unknown:
            raise ValueError(unknown)


def child(order: dict[str, str]) -> None:
    """Work, with all that is printed in the order's log, and never return."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        work(order)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is in the log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Fork a child an order."""
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            child(order)
        print(pid, flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
