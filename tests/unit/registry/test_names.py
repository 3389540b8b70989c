"""Names in MLflow: safe everywhere, and never shared by two slots."""

import re

from hypothesis import given
from hypothesis import strategies as st

from truecast.core.slot import Slot
from truecast.registry.names import model_name

ODD = st.one_of(st.text(max_size=8), st.text("^=/.:~_%-AZaz09é中", max_size=8))
SLOTS = st.builds(
    Slot,
    recipe=st.from_regex(r"[a-z0-9][a-z0-9-]{0,6}", fullmatch=True),
    source=ODD,
    instrument=ODD,
    target=st.sampled_from(["price", "return"]),
    horizon=st.integers(1, 30),
)


def read(name: str) -> Slot:
    """Take a name apart by a scan from the left, which needs no more than the rules."""
    parts, place = [b""], 0
    while place < len(name):
        if name[place] != "_":
            parts[-1] += name[place].encode()
            place += 1
        elif name[place + 1] == "_":
            parts.append(b"")
            place += 2
        else:
            parts[-1] += bytes.fromhex(name[place + 1 : place + 3])
            place += 3
    recipe, source, instrument, target, horizon = (part.decode() for part in parts)
    return Slot(recipe, source, instrument, target, int(horizon))


@given(SLOTS)
def test_a_name_is_safe_and_gives_its_slot_back(slot: Slot) -> None:
    name = model_name(slot)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert read(name) == slot


def test_a_prefix_makes_the_levels_of_unity_catalog() -> None:
    slot = Slot("sp500-daily", "sample", "BRK.B", "price", 1)
    assert model_name(slot) == "sp500-daily__sample__BRK_2EB__price__1"
    named = model_name(slot, "main.markets")
    assert named.split(".") == ["main", "markets", "sp500-daily__sample__BRK_2EB__price__1"]
    assert model_name(slot, "markets") == "markets.sp500-daily__sample__BRK_2EB__price__1"
