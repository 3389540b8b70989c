"""What was written for the record, in the order of writing."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from truecast.core.forecast import Forecast
from truecast.ledger.ledger import Ledger

Make = Callable[..., Forecast]


def _said(forecast: Make, modes: Sequence[str]) -> list[Forecast]:
    due = forecast().due_at
    return [forecast(mode=mode, due_at=due + n * timedelta(days=1)) for n, mode in enumerate(modes)]


def test_an_empty_ledger_has_nothing(ledger: Ledger) -> None:
    assert ledger.newest_seq() == 0
    assert (ledger.after(0, 10).forecasts, ledger.after(0, 10).until) == ((), 0)


def test_pages_hold_all_that_is_for_the_record_in_order(ledger: Ledger, forecast: Make) -> None:
    modes = ["live", "whatif", "replay", "historical", "shadow", "live", "whatif"]
    said = ledger.write(_said(forecast, modes))
    assert ledger.newest_seq() == 7
    assert ledger.after(0, 100).forecasts == (
        *((1, said[0]), (3, said[2]), (4, said[3]), (6, said[5])),
    )
    # Behind the last of them only what-ifs are left: they are not looked at again.
    assert ledger.after(0, 100).until == 7
    assert ledger.after(0, 2).until == 3
    assert [seq for seq, _ in ledger.after(3, 2).forecasts] == [4, 6]
    assert (ledger.after(6, 2).forecasts, ledger.after(6, 2).until) == ((), 7)


def test_a_page_may_end_before_the_newest(ledger: Ledger, forecast: Make) -> None:
    ledger.write(_said(forecast, ["live", "whatif", "live", "live"]))
    assert [seq for seq, _ in ledger.after(0, 10, until=3).forecasts] == [1, 3]
    assert ledger.after(0, 10, until=2).until == 2
    assert ledger.after(0, 10, until=99).until == 4
    assert ledger.after(9, 10).until == 9


def test_listeners_hear_of_the_record_alone(forecast: Make, ledger: Ledger) -> None:
    heard: list[int] = []
    ledger.listen(lambda: heard.append(ledger.newest_seq()))
    ledger.write(_said(forecast, ["whatif"]))
    assert heard == []
    ledger.write(_said(forecast, ["live", "live"]))
    assert heard == [3]
