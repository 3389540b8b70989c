"""What goes over the stream of forecasts: what clients ask for, and what they are sent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from websockets.frames import Frame, Opcode

from truecast.core.clock import now
from truecast.core.errors import TruecastError
from truecast.core.forecast import Forecast
from truecast.core.slot import Slot
from truecast.serving.answering.answered import Answered
from truecast.serving.http import parsed
from truecast.serving.problems import RequestError
from truecast.serving.schemas import Name

#: Codes of RFC 6455 and its registry with which a connection is ended.
UNSUPPORTED, NOT_TEXT, REFUSED, BROKEN, TRY_LATER = 1003, 1007, 1008, 1011, 1013
#: A command is some hundred bytes.
LARGEST_COMMAND = 4096
_LONGEST_REASON = 123

#: Gives the volume of the last bar that a forecast was made from, None if it is not known.
VolumeOf = Callable[[Forecast], float | None]


class StreamError(TruecastError):
    """A client is sent away.

    Parameters
    ----------
    code : int
        With which its connection is closed.
    reason : str
        What was expected and what came.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        # The protocol has room for so many bytes; half a character would be an error.
        self.reason = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Subscription(_Schema):
    """Which forecasts a client wants: those that agree with all that is given."""

    instrument: Name | None = None
    recipe: Name | None = Field(None, description="A recipe, or recipe@source.")
    after: Annotated[int, Field(ge=0, le=2**62)] | None = Field(
        None, description="First those that were written after this number; else new ones alone."
    )


class Command(_Schema):
    """What a client may say."""

    subscribe: Subscription


class MarketData(_Schema):
    """The forecast in short."""

    instrument: str
    price: float = Field(description="The last close that the forecast was made from.")
    volume: float | None = Field(description="Of that bar; null where it is not known.")
    target: str
    horizon: int
    prediction: float | str
    probability: float | None
    confidence: float | None
    signal_strength: float | None


class MarketUpdate(_Schema):
    """A forecast that was issued for the record."""

    type: Literal["market_update"] = "market_update"
    timestamp: datetime = Field(description="When it was issued.")
    seq: int = Field(description="Its place in the order of writing.")
    data: MarketData
    forecast: Answered


class Subscribed(_Schema):
    """What is sent from now on, and after which number."""

    type: Literal["subscribed"] = "subscribed"
    timestamp: datetime
    seq: int
    instrument: str | None
    recipe: str | None
    slots: int = Field(description="Champions that the subscription fits; 0 may be a typing error.")


class Heartbeat(_Schema):
    """All is well, or why it is not; nothing that is wanted was left out up to ``seq``."""

    type: Literal["heartbeat"] = "heartbeat"
    timestamp: datetime
    seq: int
    degraded: bool
    reason: str | None


@dataclass(frozen=True)
class Wanted:
    """Which forecasts go to a client.

    Parameters
    ----------
    instrument, recipe : str or None
        None for all.
    """

    instrument: str | None
    recipe: str | None

    def takes(self, one: "Slot | Told") -> bool:
        """Whether what is about this is wanted."""
        if self.instrument not in {None, one.instrument}:
            return False
        return self.recipe in {None, one.recipe, f"{one.recipe}@{one.source}"}


@dataclass(frozen=True)
class Told:
    """A message that is ready to be sent to many.

    Parameters
    ----------
    seq : int
        Its number.
    instrument, recipe, source : str
        What it is about.
    frame : bytes
        Its frame.
    """

    seq: int
    instrument: str
    recipe: str
    source: str
    frame: bytes


def tell(seq: int, forecast: Forecast, volume: float | None) -> Told:
    """Make a forecast ready to be sent."""
    answered = Answered.of(forecast)
    data = MarketData.model_construct(
        instrument=forecast.instrument,
        price=forecast.last_close,
        volume=volume,
        target=forecast.target,
        horizon=forecast.horizon,
        prediction=forecast.prediction,
        probability=forecast.probability,
        confidence=answered.confidence,
        signal_strength=answered.signal_strength,
    )
    update = MarketUpdate.model_construct(
        timestamp=forecast.issued_at, seq=seq, data=data, forecast=answered
    )
    return Told(seq, forecast.instrument, forecast.recipe, forecast.source, frame_of(update))


def heartbeat(seq: int, trouble: str | None) -> bytes:
    """Return the frame of a heartbeat."""
    beat = Heartbeat(timestamp=now(), seq=seq, degraded=trouble is not None, reason=trouble)
    return frame_of(beat)


def subscribed(seq: int, wanted: Wanted, slots: int) -> bytes:
    """Return the frame that answers a subscription."""
    return frame_of(Subscribed(timestamp=now(), seq=seq, slots=slots, **vars(wanted)))


def frame_of(message: BaseModel) -> bytes:
    """Return a message as one frame of text."""
    return Frame(Opcode.TEXT, message.model_dump_json().encode()).serialize(mask=False)


def read_command(text: str) -> Subscription:
    """Read what a client says.

    Raises
    ------
    StreamError
        If it is no command.
    """
    try:
        return parsed(text.encode(), Command).subscribe
    except RequestError as error:
        raise StreamError(REFUSED, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        code = NOT_TEXT if first["type"] == "json_invalid" else REFUSED
        raise StreamError(code, f'expected {{"subscribe": {{…}}}}: {_said(first)}') from error


def read_query(given: Iterable[tuple[str, str]]) -> Subscription:
    """Read the query of the address that a client connects to.

    Raises
    ------
    StreamError
        If it asks for something else than a :class:`Subscription`.
    """
    pairs = list(given)
    if len(dict(pairs)) < len(pairs):
        raise StreamError(REFUSED, "a key of the query is given twice: give each once")
    try:
        return Subscription.model_validate_strings(dict(pairs))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise StreamError(REFUSED, f"the query is not valid: {_said(first)}") from error


def _said(error: Any) -> str:
    place = ".".join(str(part)[:40] for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])
