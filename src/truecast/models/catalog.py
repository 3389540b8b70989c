"""Every model by the name that a recipe uses."""

from truecast.core.errors import UsageError
from truecast.core.names import Registry
from truecast.core.recipe_parts import Choice
from truecast.models.arima import Arima
from truecast.models.base import Model
from truecast.models.drift import Drift
from truecast.models.egarch import Egarch
from truecast.models.ensemble import Ensemble
from truecast.models.ewma import Ewma
from truecast.models.forests import ExtraTrees, RandomForest
from truecast.models.garch import Garch
from truecast.models.gjr import Gjr
from truecast.models.har import Har, HarLeverage, HarVix
from truecast.models.hmm import Hmm
from truecast.models.linear import Logistic, Ridge
from truecast.models.naive import Naive
from truecast.models.nets import CNN, LSTM, MLP
from truecast.models.parameters import check_parameters
from truecast.models.prophet import Prophet
from truecast.models.trees import LightGBM
from truecast.models.xgboost import XGBoost

_KINDS: tuple[type[Model], ...] = (
    Naive,
    Drift,
    Ridge,
    Logistic,
    Arima,
    RandomForest,
    ExtraTrees,
    LightGBM,
    XGBoost,
    MLP,
    CNN,
    LSTM,
    Garch,
    Gjr,
    Egarch,
    Ewma,
    Har,
    HarLeverage,
    HarVix,
    Prophet,
    Hmm,
    Ensemble,
)

MODELS: Registry[type[Model]] = Registry("model", {kind.name: kind for kind in _KINDS})


def supporting(target: str) -> tuple[str, ...]:
    """Return the names of the models that forecast a target, sorted.

    Examples
    --------
    >>> supporting("regime")
    ('hmm', 'naive')
    """
    return tuple(sorted(name for name, kind in MODELS.items() if target in kind.targets))


def create(choice: Choice, *, where: str, target: str | None = None) -> Model:
    """Build the unfitted model that a recipe names.

    Parameters
    ----------
    choice : Choice
        Name and parameters.
    where : str
        Where the choice was read, for the message, such as ``targets.price.models``.
    target : str or None
        The target it is meant for; None to leave that to ``fit``.

    Raises
    ------
    UnknownNameError
        If there is no such model, or it has no such parameter; the message gives the nearest.
    UsageError
        If a parameter is out of range, or the model does not forecast the target; then the
        message names those that do.

    Examples
    --------
    >>> create(Choice(name="ridge", parameters={"alpha": 10}), where="targets.price.models").alpha
    10.0
    """
    kind = MODELS.find(choice.name, where)
    if target is not None and target not in kind.targets:
        raise UsageError(
            f"model {choice.name!r} in {where} does not forecast {target}: "
            f"these do: {', '.join(supporting(target)) or 'none'}"
        )
    model = kind(**check_parameters(kind, choice.parameters, where=where))
    if isinstance(model, Ensemble):
        model.build(target)
    return model
