"""How the service is, whether it is ready, and what it serves."""

import truecast
from truecast.core.clock import now
from truecast.core.settings import Settings
from truecast.serving.answering.champions import Seat, View
from truecast.serving.answering.forecaster import NOT_EVALUATED
from truecast.serving.answering.past import Past
from truecast.serving.beside import feast_available, redis_connected
from truecast.serving.errors import NotReadyError
from truecast.serving.feed.live import Live
from truecast.serving.schemas import Health, Index, Ready, Refused, Served

LINKS = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
    "ready": "/ready",
    "predict": "/predict",
    "history": "/predictions/history",
    "track_record": "/track-record",
    "models": "/models",
}

#: What to do about a view's trouble.
LOOKED_AT = "put that right; this is looked at every second"


def health_of(view: View, settings: Settings, live: Live | None, past: Past | None) -> Health:
    """Say whether all is well, and what is not.

    Parameters
    ----------
    view : View
        Who answers.
    settings : Settings
        Say what runs beside the server.
    live : Live or None
        What keeps forecasts new, if anything does.
    past : Past or None
        What answers in the champions' place, where a replay runs.
    """
    reasons = [refusal.reason for refusal in view.refusals.values()]
    reasons += [view.trouble] if view.trouble else []
    reasons += [] if live is None else live.troubles()
    answering = {seat.champion.slot: seat.champion.version for seat in view.seats.values()}
    if not view.slots and past is None and view.trouble is None:
        reasons.append("no model has been promoted yet: run `truecast run sp500-daily`")
    loaded = bool(view.seats)
    return Health(
        status="degraded" if reasons else "healthy",
        timestamp=now(),
        version=truecast.__version__,
        model_loaded=loaded,
        scaler_loaded=loaded,
        feature_cols_loaded=loaded,
        feast_available=feast_available(),
        redis_connected=redis_connected(settings),
        loaded_models=[str(slot) for slot in view.seats],
        model_expected_features={
            str(slot): list(seat.forecaster.features) for slot, seat in view.seats.items()
        },
        refused=[
            Refused(
                slot=str(slot),
                version=refusal.version,
                reason=refusal.reason,
                at=refusal.at,
                answering=answering.get(slot),
            )
            for slot, refusal in view.refusals.items()
        ],
        reasons=reasons,
        feed="off" if live is None else live.role,
    )


def ready_of(view: View, past: Past | None) -> Ready:
    """Say that forecasts can be asked for.

    Raises
    ------
    NotReadyError
        If there is no champion that answers, or the database or the lake cannot be read.
    """
    if view.trouble is not None:
        raise NotReadyError(view.trouble, LOOKED_AT)
    if past is not None:
        return Ready(status="ready", loaded_models=[str(slot) for slot in past.slots])
    if not view.seats:
        reasons = [refusal.reason for refusal in view.refusals.values()]
        raise NotReadyError(
            "; ".join(reasons) or "no model has been promoted yet", "run `truecast run sp500-daily`"
        )
    return Ready(status="ready", loaded_models=[str(slot) for slot in view.seats])


def index_of(view: View) -> Index:
    """Say what this is and what it serves."""
    return Index(
        name="truecast",
        version=truecast.__version__,
        serves=[_served(seat) for seat in view.seats.values()],
        links=LINKS,
    )


def _served(seat: Seat) -> Served:
    manifest, slot = seat.forecaster.bundle.manifest, seat.slot
    return Served(
        slot=str(slot),
        **vars(slot),
        model_name=seat.champion.name,
        model_type=seat.forecaster.model_type,
        model_version=manifest.version,
        skill=seat.champion.skill or NOT_EVALUATED,
        trained_through=manifest.trained_through,
    )
