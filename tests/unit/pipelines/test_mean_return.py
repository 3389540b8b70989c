from types import SimpleNamespace

import numpy as np

from truecast.pipelines.judge import _mean_return

MINUTE = np.timedelta64(1, "m")
TIMES = np.datetime64("2014-01-01", "us") + np.arange(6) * MINUTE


def test_a_withdrawn_bar_leaves_the_mean_of_the_others() -> None:
    returns = np.array([1.0, np.nan, 3.0, 5.0, np.nan, np.nan])
    known_at = np.append(TIMES[1:5], [np.datetime64("NaT")] * 2)  # the second is known and gone
    study = SimpleNamespace(
        outcomes=SimpleNamespace(known_at=known_at, log_return=returns),
        dataset=SimpleNamespace(
            decisions=SimpleNamespace(as_of=TIMES), rows_of={"X": np.arange(6)}
        ),
    )
    np.testing.assert_allclose(_mean_return(study), [0, 1, 1, 2, 3, 3])  # type: ignore[arg-type]
