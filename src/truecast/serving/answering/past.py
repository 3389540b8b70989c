"""Questions while the past is lived through again: what was said then is the answer."""

from collections.abc import Sequence

from truecast.core.clock import now
from truecast.core.forecast import Forecast
from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.serving.answering.answers import Answer
from truecast.serving.answering.choosing import choose
from truecast.serving.errors import AskedError, NotReadyError
from truecast.serving.schemas import Asked

_EARLIER = "GET /predictions/history?mode=replay has what was said before"
_NOW = "`truecast serve` without --replay answers as of now"


class Past:
    """What a replay has said last, of each slot of its recipe; nothing else is answered.

    Parameters
    ----------
    recipe : Recipe
        Whose past it is.
    slots : sequence of Slot
        That are forecast.
    """

    def __init__(self, recipe: Recipe, slots: Sequence[Slot]) -> None:
        self.recipe, self.slots = recipe, tuple(slots)
        #: Why nothing more is said, if the replay ended early.
        self.trouble: str | None = None
        self._said: dict[Slot, Forecast] = {}

    def tell(self, said: Sequence[Forecast]) -> None:
        """Take in what stands in the ledger: from now on it is the answer."""
        self._said |= {Slot.parse(one.slot): one for one in said}

    def choose(self, asked: Asked, *, usual: bool = False) -> Slot:
        """Return the slot of a question; see :func:`.choosing.choose`.

        Raises
        ------
        AskedError
            If it is about none that is replayed, or about several.
        """
        try:
            return choose(asked, self.slots, (self.recipe,), usual=usual)
        except NotReadyError as error:
            raise AskedError(
                f"this server lives through the past of {self.recipe.name} alone", _NOW
            ) from error

    def answers(self, slots: Sequence[Slot], *, as_said: bool) -> list[Answer]:
        """Say the newest forecasts of the replay again.

        Parameters
        ----------
        slots : sequence of Slot
            Of which.
        as_said : bool
            Whether nothing is asked of them but that: no moment, bars or model.

        Raises
        ------
        AskedError
            If more is asked, or a slot is not replayed.
        NotReadyError
            If the first forecast has not been made yet.
        """
        if not as_said:
            raise self.refusal()
        return [self._answer(slot) for slot in slots]

    def refusal(self) -> AskedError:
        """Return why nothing is answered but what was said."""
        return AskedError(
            "a replay is running: it says what it has said last, by its own model and bars",
            f"leave out timestamp, bars, windows and model; {_EARLIER}, and {_NOW}",
        )

    def _answer(self, slot: Slot) -> Answer:
        if slot not in self.slots:
            raise AskedError(f"{slot} is not in the replay that this server lives through", _NOW)
        said = self._said.get(slot)
        if said is None:
            if self.trouble is not None:
                raise NotReadyError(self.trouble, "start the replay again")
            raise NotReadyError(f"the replay has said nothing of {slot} yet", "ask in a moment")
        if self.trouble is not None:
            said = said.model_copy(update={"degraded": True, "reason": self.trouble})
        # Not kept in memory: the replay may be at its next one.
        return Answer(said, now())
