"""An ingest that is killed at random moments ends as if nothing had happened.

Several payloads with actions, repairs and rows for quarantine come in two ingests. `make test`
kills 20 times, `make soak` 200. The moments are drawn from a fixed seed.
"""

import os
import random
import shutil
from pathlib import Path
from typing import Any

from lakes.pages import STORY, rows_of, state_of, tell
from truecast.lake.lake import Lake

KILLS = 200 if os.environ.get("TRUECAST_SOAK") else 20


def test_ingest(zygote: Any, tmp_path: Path) -> None:
    tell(Lake(str(tmp_path / "clean")))
    clean = state_of(tmp_path / "clean")
    order = {"do": "ingest", "home": tmp_path / "timed"}
    seconds = [zygote.do(**order, step=step) for step in range(len(STORY))]
    assert state_of(tmp_path / "timed") == clean
    rng, hit, lake = random.Random(6), 0, tmp_path / "lake"
    while hit < KILLS:
        for step in range(len(STORY)):
            order = {"do": "ingest", "home": lake, "step": step}
            for _ in range(rng.randint(0, 2)):
                hit += zygote.kill(rng.uniform(0, seconds[step]), **order)
                state_of(lake)  # every table can be read
            zygote.do(**order)
        assert state_of(lake) == clean
        # What a killed writer left behind is in nobody's way, and can be deleted.
        for path in lake.rglob("*"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
        rows = rows_of(Lake(str(lake)))
        Lake(str(lake)).optimize()
        assert rows_of(Lake(str(lake))) == rows
        assert not [*lake.rglob(".incoming-*")]
        shutil.rmtree(lake)
