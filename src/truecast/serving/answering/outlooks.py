"""Answers of several days at once, composed of single forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from truecast.core.recipe import Recipe
from truecast.core.slot import Slot
from truecast.serving.answering.answered import Answered
from truecast.serving.answering.choosing import choose
from truecast.serving.answering.envelopes import (
    Ahead,
    AheadDay,
    Outlook,
    PastDay,
    PriceRow,
    Prices,
    Range,
    StockForecast,
)
from truecast.serving.asked import AskedChild, AskedParent, AskedPrices
from truecast.serving.errors import AmbiguousError, AskedError, NotYetError
from truecast.serving.schemas import Asked
from truecast.serving.service import Service

#: Whose prices are meant where nothing is said, and whose parent and children.
PRICES_RECIPE, STOCKS_RECIPE = "finance-suite", "index-to-stocks"
_USUAL_DAYS = 5
_HISTORY = 30
_NOT_TRAINED = "no model of this version forecasts it: prices are forecast as closes"


@dataclass(frozen=True)
class Outlooks:
    """What is asked of several horizons at once.

    Parameters
    ----------
    service : Service
        Answers for each of them.
    """

    service: Service

    def prices(self, asked: AskedPrices) -> Prices:
        """Forecast the price of each of the next bars, by the model of its horizon.

        Raises
        ------
        AskedError
            If some of them are not trained for; the message says which are.
        """
        wanted, served = range(1, asked.periods + 1), self.service.slots
        slots = [slot for slot in served if slot.target == "price"]
        whole = [
            slot
            for slot in slots
            if {*wanted} <= {*_horizons(slot, slots)}
            and asked.recipe in {None, slot.recipe, f"{slot.recipe}@{slot.source}"}
            and asked.instrument in {None, slot.instrument}
        ]
        recipe = asked.recipe
        if recipe is None and _has(whole or slots, PRICES_RECIPE, asked.instrument):
            recipe = PRICES_RECIPE
        question = Asked(target="price", recipe=recipe, instrument=asked.instrument)
        slot = choose(question, whole or served, self.service.recipes, usual=True)
        trained = _horizons(slot, slots)
        if missing := [one for one in wanted if one not in trained]:
            most = next(one for one in wanted if one not in trained) - 1
            raise AskedError(
                f"prices of {slot.instrument} by {slot.recipe} are trained for horizons of "
                f"{_listed(sorted(trained))} bars, not of {_listed(missing)}",
                "ask for fewer periods, or add the horizons to the recipe and train",
                [{"periods": most}] if most else [],
            )
        chosen = [trained[horizon] for horizon in wanted]
        answers = self.service.answers(chosen, posted=asked.history)
        said = [Answered.of(one.forecast) for one in answers]
        return Prices(
            model=", ".join(dict.fromkeys(one.model_name for one in said)),
            forecast=[_price_row(one) for one in said],
            forecasts=said,
        )

    def parent(self, asked: AskedParent) -> StockForecast:
        """Forecast the sessions ahead of the index that stocks learn from.

        Raises
        ------
        NotYetError
            If no such model is served.
        AskedError
            If more days are asked for than are trained for.
        """
        recipe = _transferring(self.service.recipes, asked.recipe)
        assert recipe.transfer is not None  # noqa: S101 - those alone are looked at
        return self._outlook(recipe, recipe.transfer.parent, asked)

    def child(self, asked: AskedChild) -> StockForecast:
        """Forecast the sessions ahead of a stock; see :meth:`parent`."""
        recipe = _transferring(self.service.recipes, asked.recipe)
        return self._outlook(recipe, asked.ticker, asked)

    def _outlook(self, recipe: Recipe, symbol: str, asked: AskedParent) -> StockForecast:
        source = (asked.recipe or "").partition("@")[2]
        found = [
            slot
            for slot in self.service.slots
            if (slot.recipe, slot.instrument, slot.target) == (recipe.name, symbol, "price")
            and source in {"", slot.source}
        ]
        if not found:
            raise _not_trained(recipe, symbol)
        if len(sources := {slot.source for slot in found}) > 1:
            raise _ambiguous([f"{recipe.name}@{one}" for one in sorted(sources)])
        slots = {slot.horizon: slot for slot in found}
        days = asked.days or min(_USUAL_DAYS, max(slots))
        if days > max(slots):
            raise AskedError(
                f"prices of {symbol} are trained for horizons of {_listed(sorted(slots))} "
                f"sessions: {days} days are more",
                "ask for fewer, or add the horizons to the recipe and train",
                [{**({"ticker": symbol} if isinstance(asked, AskedChild) else {}), **_days(slots)}],
            )
        chosen = [slots[horizon] for horizon in sorted(slots) if horizon <= days]
        said = [Answered.of(one.forecast) for one in self.service.answers(chosen)]
        if not said:
            # The shortest that is trained is longer: it is what the sessions follow from.
            raise AskedError(
                f"prices of {symbol} are trained for horizons of {_listed(sorted(slots))} "
                f"sessions, none of them within {days} days",
                "ask for more",
                [_days(slots)],
            )
        return StockForecast(result=self._result(recipe, said, days), forecasts=said)

    def _result(self, recipe: Recipe, said: Sequence[Answered], days: int) -> Outlook:
        newest = said[0]
        opened = self.service.look().bars.of(recipe, newest.instrument)
        calendar = opened.series.calendar
        sessions = [calendar.offset(newest.today_date, ahead) for ahead in range(1, days + 1)]
        by_day = {one.predicted_date: one for one in said}
        ahead = [_ahead_day(day, by_day.get(day)) for day in sessions]
        reasons = dict.fromkeys(("open", "high", "low", "volume"), _NOT_TRAINED)
        untold = [place for place, one in enumerate(ahead, start=1) if one.close is None]
        if untold:
            reasons["close"] = f"no model was trained {_listed(untold)} sessions ahead"
        past = opened.series.market.bars.known(newest.as_of)
        past = past.filter(past["session"] <= newest.today_date).tail(_HISTORY)
        return Outlook(
            ticker=newest.instrument,
            last_date=newest.today_date,
            future_window_days=days,
            next_business_days=sessions,
            predictions=Ahead(
                next_day=ahead[0], next_week=Range(high=None, low=None), full_forecast=ahead
            ),
            history=[
                PastDay(date=day, close=close)
                for day, close in past.select("session", "close").rows()
            ],
            reasons=reasons,
        )


def _horizons(slot: Slot, slots: Sequence[Slot]) -> dict[int, Slot]:
    """Return the slots of the same series and target, by their horizon."""
    return {one.horizon: one for one in slots if replace(one, horizon=slot.horizon) == slot}


def _has(slots: Sequence[Slot], recipe: str, instrument: str | None) -> bool:
    return any(slot.recipe == recipe and instrument in {None, slot.instrument} for slot in slots)


def _price_row(said: Answered) -> PriceRow:
    daily = said.interval == "1d"
    return PriceRow(
        ds=said.predicted_date.isoformat() if daily else said.due_at.isoformat(),
        yhat=float(said.prediction),
        yhat_lower=said.lower,
        yhat_upper=said.upper,
    )


def _transferring(recipes: Sequence[Recipe], name: str | None) -> Recipe:
    """Return the recipe in which stocks learn from an index."""
    served = {recipe.name: recipe for recipe in recipes if recipe.transfer is not None}
    if name is not None:
        served = {one: recipe for one, recipe in served.items() if one == name.partition("@")[0]}
    if not served:
        raise NotYetError(
            "no model of an index, from which stocks have learned, is served"
            + ("" if name is None else f" by the recipe {name}"),
            f"run `truecast run {STOCKS_RECIPE}`; this version starts no training over HTTP",
        )
    if len(served) > 1 and STOCKS_RECIPE not in served:
        raise _ambiguous(list(served))
    return served[STOCKS_RECIPE] if STOCKS_RECIPE in served else next(iter(served.values()))


def _ambiguous(recipes: Sequence[str]) -> AmbiguousError:
    return AmbiguousError(
        f"{len(recipes)} recipes fit what is asked",
        "say which, as one of the choices does",
        [{"recipe": one} for one in recipes],
    )


def _not_trained(recipe: Recipe, symbol: str) -> NotYetError:
    how = f"run `truecast run {recipe.name}`"
    if symbol not in recipe.instruments:
        how = f"add {symbol} to the instruments of a copy of the recipe {recipe.name}, and run it"
    return NotYetError(
        f"no model of {symbol} is served", f"{how}; this version starts no training over HTTP"
    )


def _ahead_day(day: date, said: Answered | None) -> AheadDay:
    close = None if said is None else float(said.prediction)
    ends = (None, None) if said is None else (said.lower, said.upper)
    return AheadDay(
        date=day,
        open=None,
        high=None,
        low=None,
        close=close,
        volume=None,
        close_lower=ends[0],
        close_upper=ends[1],
    )


def _days(slots: Mapping[int, Slot]) -> dict[str, str | int]:
    return {"days": max(slots)}


def _listed(numbers: Sequence[int]) -> str:
    """Write whole numbers, three and more that follow one another as a run: 1 to 5, 10 and 21."""
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
