"""Transfer: networks of one instrument begin with what those of another have learned.

A child's network begins with the weights of its parent's: the same family, parameters, target and
horizon, fitted on the parent's rows as known at the moment of the child's own fit. So a parent
never knows more than its child may, in the walk-forward as in a served bundle. The features of the
child are scaled by the child's own past, and the child's last rows say when to stop.

References
----------
Pan and Yang (2010), A Survey on Transfer Learning.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from truecast.core.errors import UsageError
from truecast.core.hashing import canonical_json, sha256_of
from truecast.core.recipe import Recipe
from truecast.core.recipe_parts import Choice, Transfer
from truecast.datasets.splits import Fold
from truecast.models.catalog import create
from truecast.models.ensemble import Ensemble
from truecast.models.nets import Net, Start
from truecast.models.onnx import ONNX_FILE

if TYPE_CHECKING:
    from truecast.training.fit import Trained, Trainer


def check_transfer(recipe: Recipe) -> None:
    """Refuse a recipe whose models have nothing to begin with.

    Raises
    ------
    UsageError
        If it asks for transfer and the parent is the only instrument, no candidate is a network,
        or one is a member of an ensemble.
    """
    if recipe.transfer is None:
        return
    if recipe.instruments == (recipe.transfer.parent,):
        raise UsageError(
            f"transfer hands on from {recipe.transfer.parent}, the only instrument, to nobody: "
            "name further instruments, or leave transfer out"
        )
    models = [
        (f"targets.{target}.models", create(choice, where=f"targets.{target}.models"))
        for target, spec in recipe.targets.items()
        for choice in spec.models
    ]
    for where, model in models:
        if isinstance(model, Ensemble) and any(isinstance(one, Net) for one in model.build()):
            raise UsageError(
                f"{where}: an ensemble's members are fitted by themselves and begin with no "
                "parent: leave networks out of it, or transfer out of the recipe"
            )
    if not any(isinstance(model, Net) for _, model in models):
        raise UsageError(
            "transfer is about networks, and no candidate is one: name mlp, cnn or lstm among the "
            "models, or leave it out"
        )


@dataclass(frozen=True)
class Origin:
    """What a child began with.

    Parameters
    ----------
    instrument : str
        The parent.
    model : str
        Family of its network.
    graph : str
        SHA-256 of its ``model.onnx``: that of the parent's own bundle, where it was trained at the
        same moment.
    rows : int
        Number of its training rows.
    trained_through : datetime
        Moment of its fit, which is the child's: nothing that became known later was seen.
    mode : {"finetune", "frozen"}
        What the child learns: all weights, or the head's.
    """

    instrument: str
    model: str
    graph: str
    rows: int
    trained_through: datetime
    mode: str

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "trained_through": self.trained_through.isoformat()}


@dataclass(frozen=True)
class Parent:
    """The instrument whose networks come first.

    Parameters
    ----------
    instrument : str
        Its symbol.
    transfer : Transfer
        As the recipe says it.
    trainer : Trainer
        Of its rows.
    """

    instrument: str
    transfer: Transfer
    trainer: "Trainer"
    _fitted: dict[str, "Trained"] = field(default_factory=dict, repr=False, compare=False)

    def start(
        self, child: Net, choice: Choice, *, target: str, horizon: int, fold: Fold
    ) -> tuple[Start, Origin]:
        """Fit the parent as of a child's fold, once, and say what the child begins with.

        Parameters
        ----------
        child : Net
            Unfitted.
        choice : Choice
            What it was made from, and its parent is.
        target, horizon, fold
            Of the child's fit.

        Raises
        ------
        TrainingError
            If too little of the parent was known then.
        """
        trained = self._trained(choice, target, horizon, fold)
        mode = self.transfer.mode
        start = child.begin_with(
            trained.model, frozen=mode == "frozen", learning_rate=self.transfer.learning_rate
        )
        origin = Origin(
            instrument=self.instrument,
            model=child.name,
            graph=sha256_of(trained.model.payload()[ONNX_FILE]),
            rows=trained.rows,
            trained_through=trained.trained_through,
            mode=mode,
        )
        return start, origin

    def _trained(self, choice: Choice, target: str, horizon: int, fold: Fold) -> "Trained":
        key = canonical_json([choice.model_dump(), target, horizon, str(fold.as_of)])
        if key not in self._fitted:
            decided = self.trainer.dataset.decisions.as_of
            end = int(np.searchsorted(decided, fold.as_of, side="right"))
            own = Fold(fold.number, end, end, fold.as_of)
            self._fitted[key] = self.trainer.fit(choice, target=target, horizon=horizon, fold=own)
        return self._fitted[key]

    def known_by(self, moment: np.datetime64) -> "Parent":
        """Return the parent as it was known at a moment, and no more."""
        return replace(self, trainer=self.trainer.known_by(moment), _fitted={})
