"""The studies of a recipe: made once for the same data and recipe, then read from the lake."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import polars as pl

from truecast.core.clock import to_utc
from truecast.core.hashing import code_hash, hash_of
from truecast.core.meter import Meter
from truecast.core.progress import SILENT, Progress
from truecast.core.recipe import Recipe
from truecast.core.slot import POOLED, Slot, escape
from truecast.datasets.assembly import Dataset
from truecast.datasets.pooled import PooledDataset
from truecast.datasets.splits import Fold
from truecast.datasets.targets import F64
from truecast.evaluation.significance import Verdict, verdict
from truecast.features.warmup import warm_up
from truecast.lake.trials import Look, Trials
from truecast.pipelines.judge import evaluated_rows, trial_keys, versus_baselines
from truecast.pipelines.pool import Member, PoolResearcher, instruments_of
from truecast.pipelines.study import Researcher, Study
from truecast.pipelines.train import learned_from, train
from truecast.pipelines.tuning import tuned
from truecast.serving.planning import feature_plan, roster
from truecast.serving.workspace import Workspace, all_trials, own_trials
from truecast.training.transfer import Parent

#: Predictions, variance and what models said of the rows that taught them; see ``Researcher``.
Walked = tuple[dict[str, F64], F64, dict[str, F64]]
#: Before the names of the last, in the columns of the lake's table.
TAUGHT = "taught/"


@dataclass
class Studies:
    """Researchers and studies of a recipe's instruments.

    Parameters
    ----------
    workspace : Workspace
        Where series, studies and trials are kept.
    recipe : Recipe
        What is studied.
    progress : Progress
        Told of each fit.
    meter : Meter
        Measures the stages of a run.
    """

    workspace: Workspace
    recipe: Recipe
    progress: Progress = SILENT
    meter: Meter = field(default_factory=Meter, repr=False)
    _researchers: dict[str, Researcher] = field(default_factory=dict, repr=False)
    _studies: dict[Slot, Study] = field(default_factory=dict, repr=False)
    _versions: dict[tuple[Slot, str, int], str] = field(default_factory=dict, repr=False)

    def researcher(self, symbol: str) -> Researcher:
        """Return the researcher of one instrument; of all of them together for ``pooled``."""
        if symbol not in self._researchers:
            warm_up(feature_plan(self.recipe)[0], self.progress)
            self._researchers[symbol] = self._open(symbol)
        return self._researchers[symbol]

    def _open(self, symbol: str) -> Researcher:
        if not self.recipe.pooled:
            return self.take(symbol, self.workspace.dataset(self.recipe, symbol))
        if symbol != POOLED:
            return Member(self.researcher(POOLED), symbol)
        every = self.recipe.instruments
        members = {name: self.workspace.dataset(self.recipe, name) for name in every}
        return PoolResearcher(self.recipe, PooledDataset.over(members))

    def take(self, symbol: str, dataset: Dataset) -> Researcher:
        """Study an instrument on rows that have been built already; return its researcher."""
        researcher = Researcher(self.recipe, dataset, self._parent(symbol))
        self._researchers[symbol] = researcher
        return researcher

    def _parent(self, symbol: str) -> Parent | None:
        """Open the instrument whose networks an instrument's begin with, if there is one."""
        transfer = self.recipe.transfer
        if transfer is None or symbol == transfer.parent:
            return None
        return Parent(transfer.parent, transfer, self.researcher(transfer.parent).trainer)

    def knows(self, slot: Slot) -> bool:
        """Say whether a slot has been studied here already."""
        return slot in self._studies

    def study(self, slot: Slot) -> Study:
        """Return a slot's study, walking forward only if data, recipe or version are new.

        That of an instrument of a pool is its part of the pool's.
        """
        if slot not in self._studies:
            study = self._studied(slot)
            if study.slot == slot:
                self._trials.record(self._looks(study))
            self._studies[slot] = study
        return self._studies[slot]

    def look(self, slot: Slot) -> list[Look]:
        """Study a slot as :meth:`study` does; return its trials, and leave them to be recorded."""
        self._studies[slot] = self._studied(slot)
        return self._looks(self._studies[slot])

    def judged(self, slot: Slot) -> Slot:
        """Return the slot whose study says how good a slot's models are: its own, or its pool's."""
        return slot.pool if self.recipe.pooled else slot

    def _studied(self, slot: Slot) -> Study:
        researcher = self.researcher(slot.instrument)
        if isinstance(researcher, Member):
            return researcher.part_of(self.study(slot.pool))
        researcher.check(slot)
        researcher.adopt(slot, tuned(self.workspace, researcher, slot, self.progress))
        key = self._key(slot, researcher)
        walked = self._read(slot, key)
        if walked is None:
            walked = self._walk(slot, researcher)
            self._write(slot, key, researcher, *walked)
        return researcher.study(slot, *walked)

    def gated(
        self, slot: Slot, as_of: np.datetime64 | None = None, trials: int | None = None
    ) -> Study:
        """Return a slot's study with the champion that the recipe's gates let through.

        Parameters
        ----------
        slot : Slot
            Which.
        as_of : datetime64[us] or None
            Judge on outcomes known by then; None for all.
        trials : int or None
            See :meth:`verdict`.

        Returns
        -------
        Study
            Where the recipe requires skill and none is shown, the champion is ``naive``.
        """
        study = self.study(slot)
        if self.recipe.gates.skill == "report":
            return study
        shown = self.verdict(study, as_of, trials) == "beats naive"
        return study if shown else replace(study, champion="naive")

    def verdict(
        self, study: Study, as_of: np.datetime64 | None = None, trials: int | None = None
    ) -> Verdict:
        """Judge a study's champion on the evaluation rows whose outcome was known at a moment.

        Parameters
        ----------
        study : Study
            Whose champion.
        as_of : datetime64[us] or None
            Only outcomes known by then; None for all.
        trials : int or None
            How many models were compared. None for all that ever were; of the past, for the
            recipe's own candidates and ``prior_trials``: what is tried later changes no forecast
            of before.
        """
        if study.slot != self.judged(study.slot):
            whole = self.study(self.judged(study.slot))
            return self.verdict(replace(whole, champion=study.champion), as_of, trials)
        versus = versus_baselines(study, evaluated_rows(study, as_of))
        if trials is None:
            own = own_trials(self.recipe, study.slot.target) + len(study.tried)
            trials = self.trials(study.slot) if as_of is None else own
        return verdict(versus, trials)

    def trained(self, slot: Slot, name: str, fold: Fold) -> str:
        """Fit one of a slot's models for a fold, or find that this was done; return its version.

        Parameters
        ----------
        slot : Slot
            One that has a champion.
        name : str
            Of the model.
        fold : Fold
            One of the walk-forward; of a pool its number is looked at.
        """
        key = (slot, name, fold.number)
        if key not in self._versions:
            researcher, study = self.researcher(slot.instrument), self.study(slot)
            whole = next(one for one in researcher.folds if one.number == fold.number)
            store, chosen = self.workspace.bundles, replace(study, champion=name)
            self._versions[key] = train(store, self.recipe, researcher, chosen, whole).version
        return self._versions[key]

    def trials(self, slot: Slot) -> int:
        """Return how many models were compared on a slot's series and target, in all."""
        return max(all_trials(self.workspace, self.recipe, one) for one in self._series(slot))

    def _series(self, slot: Slot) -> list[Slot]:
        """Return the slots of the series that are looked at with a slot: of a pool, of each."""
        if not slot.is_pool:
            return [slot]
        return [slot, *(replace(slot, instrument=symbol) for symbol in self.recipe.instruments)]

    def _looks(self, study: Study) -> list[Look]:
        """Say that the study's candidates were compared: to be recorded before anyone judges."""
        sessions = study.dataset.decisions.session[study.parts.evaluation]
        first, last = sessions.min().item(), sessions.max().item()
        keys = trial_keys(self.recipe, study)
        return [Look(slot, keys, first, last) for slot in self._series(study.slot)]

    @property
    def _trials(self) -> Trials:
        return Trials(self.workspace.settings.lake_url)

    def _key(self, slot: Slot, researcher: Researcher) -> str:
        """Name everything that a walk-forward's result depends on."""
        end = datetime.max.replace(tzinfo=to_utc(np.datetime64(0, "us")).tzinfo)
        return hash_of(
            {
                "code": code_hash(),
                "recipe": self.recipe.hash,
                "plan": researcher.dataset.plan.hash,
                "slot": str(slot),
                "tuned": researcher.tuned_parameters(slot),
                "data": learned_from(researcher.trainer, end),
            }
        )

    def _walk(self, slot: Slot, researcher: Researcher) -> Walked:
        total, done = researcher.fits(slot), 0

        def step() -> None:
            nonlocal done
            done += 1
            self.progress.step(str(slot), done, total)

        predictions, in_sample = researcher.walk(slot, step)
        return predictions, researcher.variance(slot.horizon), in_sample

    def _table(self, slot: Slot) -> str:
        place = f"walkforward/{slot.recipe}/{slot.source}/{escape(slot.instrument)}"
        return f"{place}/{slot.target}-{slot.horizon}"

    def _write(
        self,
        slot: Slot,
        key: str,
        researcher: Researcher,
        predictions: dict[str, F64],
        variance: F64,
        in_sample: dict[str, F64],
    ) -> None:
        decisions = researcher.dataset.decisions
        frame = pl.DataFrame(
            {
                **instruments_of(researcher.dataset),
                "event_time": pl.Series(decisions.event_time).dt.replace_time_zone("UTC"),
                "as_of": pl.Series(decisions.as_of).dt.replace_time_zone("UTC"),
                "variance": variance,
                **predictions,
                **{TAUGHT + name: said for name, said in in_sample.items()},
            }
        )
        lineage = {
            "key": key,
            "recipe_hash": self.recipe.hash,
            "models": json.dumps([*predictions]),
            "tuned": json.dumps(researcher.tuned_parameters(slot)),
        }
        self.workspace.lake.write_gold(self._table(slot), frame, lineage)

    def _read(self, slot: Slot, key: str) -> Walked | None:
        lake, table = self.workspace.lake, self._table(slot)
        if lake.version(f"gold/{table}") is None:
            return None
        stored = lake.read_gold(table)
        if stored.lineage.get("key") != key:
            return None
        names = roster(self.recipe, slot.target)
        columns = {name: column.to_numpy() for name, column in stored.frame.to_dict().items()}
        return (
            {name: columns[name] for name in names},
            columns["variance"],
            {name: columns[TAUGHT + name] for name in names},
        )
