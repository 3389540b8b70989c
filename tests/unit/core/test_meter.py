import sys
import time

import numpy as np
import pytest

from truecast.core.meter import Meter


def test_stages_are_measured_one_after_the_other() -> None:
    meter = Meter()
    meter.begin("wait")
    time.sleep(0.05)
    meter.begin("work")
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    wait, work = meter.end()
    assert (wait.stage, work.stage) == ("wait", "work")
    assert 0.05 <= wait.seconds < 5
    assert wait.cpu_seconds < 0.05 <= work.cpu_seconds
    assert [cost.stage for cost in meter.end()] == ["wait", "work"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the peak anew")
def test_the_peak_is_that_of_the_stage() -> None:
    meter = Meter()
    meter.begin("small before")
    meter.begin("large")
    block = np.ones(40_000_000)  # 320 MB
    del block
    meter.begin("small after")
    before, large, after = (cost.peak_mb for cost in meter.end())
    assert before is not None
    assert large is not None
    assert after is not None
    assert large - before > 250
    assert large - after > 250
