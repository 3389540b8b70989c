"""Search for a family's parameters, and go on where a killed search stopped.

Every trial is a row of an SQLite file as soon as it is begun, and has its score as soon as it is
known. What is drawn for a trial depends on the seed, the trial's place, and the trials that ended
before it, and on nothing else; so whoever goes on draws what would have been drawn.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from truecast.core.recipe_parts import Choice, Tuning
from truecast.models.base import ModelError
from truecast.models.space import Space, draw
from truecast.training.fit import TrainingError

if TYPE_CHECKING:
    import optuna

#: Completed trials that a median is taken of, at least, before one is given up.
LEAST_COMPLETED = 5
#: How long a process waits for another one that makes the file, or has the same search.
PATIENCE_SECONDS = 3600
#: How long a write waits for another process's.
BUSY_SECONDS = 120
#: Attributes of a trial: the parameters that were tried, and why it failed.
_PARAMETERS, _FAILED = "parameters", "failed"

#: Scores a candidate on more and more of the validation folds; the last score counts.
Score = Callable[[Choice], Iterator[float]]


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    choice : Choice
        The family with the best parameters.
    value : float
        Their score.
    tried : tuple of Choice
        Every trial that was scored, in order, those included that were given up on the way.
    """

    choice: Choice
    value: float
    tried: tuple[Choice, ...]


@dataclass(frozen=True)
class Tuner:
    """Searches that are kept in one file.

    Parameters
    ----------
    database : Path
        SQLite file; made where there is none.
    """

    database: Path

    def tune(
        self,
        name: str,
        choice: Choice,
        space: Space,
        budget: Tuning,
        score: Score,
        *,
        folds: int,
        lower_is_better: bool,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Tuned:
        """Try parameters until the budget is spent, and return the best.

        Parameters
        ----------
        name : str
            Of the search: a hash of everything that a score depends on. Trials that it has count
            against the budget.
        choice : Choice
            The family, with the parameters that stay as they are. The first trial is this.
        space : mapping of str to Range or Choices
            In which ranges the others are drawn.
        budget : Tuning
            Trials, seconds and seed.
        score : callable
            Yields the score after each validation fold, over all rows up to there.
        folds : int
            How many scores it yields.
        lower_is_better : bool
            Whether a score is a loss.
        progress : callable
            Told how many trials have ended.

        Raises
        ------
        TrainingError
            If no trial could be scored, or another process has the same search for an hour.

        Notes
        -----
        Drawn by a tree-structured Parzen estimator, each parameter by itself. Between folds a
        trial is given up if its score is worse than the median of the completed trials' at the
        same fold, from a quarter of the folds on. Trials follow one another. A trial in whose
        midst a process was killed is begun again, at the same place and so with the same seed,
        and the killed one is neither counted nor looked at.

        References
        ----------
        Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization. Golovin et al.
        (2017), Google Vizier: the median stopping rule.
        """
        import optuna

        with self._opened(name, folds, lower_is_better) as study:
            for left in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
                study.tell(left.number, state=optuna.trial.TrialState.FAIL)
            while True:
                ended, spent = _counted(study, budget)
                if spent:
                    return _best(ended, choice, lower_is_better)
                study.sampler = _sampler(budget.seed + len(ended))
                _run(study, choice, space if ended else {}, score, folds)
                progress(len(ended) + 1)

    @contextmanager
    def _opened(
        self, name: str, folds: int, lower_is_better: bool
    ) -> "Iterator[optuna.study.Study]":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.database.parent.mkdir(parents=True, exist_ok=True)
        locks = self.database.with_suffix("")
        locks.mkdir(exist_ok=True)
        try:
            with FileLock(locks / "tables.lock", timeout=PATIENCE_SECONDS):
                storage = optuna.storages.RDBStorage(
                    f"sqlite:///{self.database.absolute()}",
                    engine_kwargs={"creator": lambda: _connect(self.database)},
                )
            with FileLock(locks / f"{name}.lock", timeout=PATIENCE_SECONDS):
                try:
                    yield optuna.create_study(
                        storage=storage,
                        study_name=name,
                        direction="minimize" if lower_is_better else "maximize",
                        pruner=optuna.pruners.MedianPruner(
                            n_startup_trials=LEAST_COMPLETED, n_warmup_steps=folds // 4
                        ),
                        load_if_exists=True,
                    )
                finally:
                    storage.remove_session()
                    storage.engine.dispose()
        except Timeout as error:
            raise TrainingError(
                f"{error.lock_file}: another process has had this search for over "
                f"{PATIENCE_SECONDS} seconds; wait for it, or end it"
            ) from error


def _connect(database: Path) -> sqlite3.Connection:
    """Open the file so that a commit outlives its process; only a power cut may take the last."""
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _sampler(seed: int) -> "optuna.samplers.TPESampler":
    import optuna

    return optuna.samplers.TPESampler(seed=seed, multivariate=False)


def _counted(
    study: "optuna.study.Study", budget: Tuning
) -> "tuple[list[optuna.trial.FrozenTrial], bool]":
    """Return the trials within the budget that ended by themselves, and whether it is spent."""
    from optuna.trial import TrialState

    counted: list[optuna.trial.FrozenTrial] = []
    seconds = 0.0
    for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
        if trial.state == TrialState.FAIL and _FAILED not in trial.user_attrs:
            continue  # its process was killed
        counted.append(trial)
        seconds += trial.duration.total_seconds() if trial.duration else 0.0
        if len(counted) >= budget.trials or (budget.seconds and seconds >= budget.seconds):
            return counted, True
    return counted, False


def _run(
    study: "optuna.study.Study", choice: Choice, space: Space, score: Score, folds: int
) -> None:
    """Run one trial to its end."""
    from optuna.trial import TrialState

    trial = study.ask()
    drawn = draw(trial, space, choice.parameters)
    trial.set_user_attr(_PARAMETERS, drawn)
    value = float("nan")
    try:
        for fold, value in enumerate(score(Choice(name=choice.name, parameters=drawn))):
            if not np.isfinite(value):
                continue
            trial.report(value, fold)
            if fold + 1 < folds and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return
        failed = None if np.isfinite(value) else "the validation rows give no finite score"
    except (ModelError, TrainingError) as error:  # such as a net whose loss ran away
        failed = str(error)
    if failed is None:
        study.tell(trial, value)
        return
    trial.set_user_attr(_FAILED, failed)
    study.tell(trial, state=TrialState.FAIL)


def _best(ended: "list[optuna.trial.FrozenTrial]", choice: Choice, lower_is_better: bool) -> Tuned:
    """Return the best trial; of equals the first."""
    from optuna.trial import TrialState

    sign = 1 if lower_is_better else -1
    complete = [one for one in ended if one.state == TrialState.COMPLETE]
    if not complete:
        raise TrainingError(
            f"{choice}: none of {len(ended)} trials could be scored; the last one: "
            f"{ended[-1].user_attrs.get(_FAILED)}"
        )
    best = min(complete, key=lambda one: sign * _value(one))
    scored = [one for one in ended if one.state != TrialState.FAIL]
    return Tuned(
        _tried(choice, best.user_attrs),
        _value(best),
        tuple(_tried(choice, one.user_attrs) for one in scored),
    )


def _value(trial: "optuna.trial.FrozenTrial") -> float:
    return float("nan") if trial.value is None else float(trial.value)


def _tried(choice: Choice, attributes: Mapping[str, Any]) -> Choice:
    return Choice(name=choice.name, parameters=attributes[_PARAMETERS])
