"""What real bid and ask quotes say: the spread, the depth, and which side presses.

All read the quotes at the close of bars; NaN where the source has none. A quote needs a bid and an
ask above 0; where they cross (the bid above the ask) the spread is negative, as it came.

What needs trades beside quotes compares the close, which is the last trade, with the quotes at
the close. It is not compared with the midpoint of the bar before: within a bar the price moves
many spreads, so that would be a volatility. A source of quotes alone has midpoints for closes:
its effective spread is 0, and trades are signed by the moves of the midpoint.
"""

from truecast.features.declaration import Family, Parameter
from truecast.features.lookbacks import one_bar, window_and_before, window_bars

_SIDES = ("bid_close", "ask_close")
_SIZES = ("bid_size", "ask_size")
_MID = "M = (bid + ask)/2"
_SIDE = (
    "D = 1 where the close is at the ask or above, −1 where it is at the bid or below, "
    f"elsewhere sign(M − M[1]), {_MID}"
)
_HUANG = "Huang, Stoll (1996), Dealer versus Auction Markets"
_CONT = "Cont, Kukanov, Stoikov (2014), The Price Impact of Order Book Events"

FAMILIES = (
    Family(
        name="quoted_spread",
        inputs=_SIDES,
        lookback=one_bar,
        unit="basis points of the midpoint",
        formula=f"10⁴·(ask − bid)/M at the close, {_MID}",
        reference=_HUANG,
        kernel="quotes:spreads",
    ),
    Family(
        name="spread_mean",
        inputs=_SIDES,
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="basis points of the midpoint",
        formula=f"mean of 10⁴·(ask − bid)/M at the closes of window bars, {_MID}",
        reference=_HUANG,
        kernel="quotes:spreads",
    ),
    Family(
        name="effective_spread",
        inputs=("close", *_SIDES),
        lookback=one_bar,
        unit="basis points of the midpoint",
        formula=f"2·10⁴·|C − M|/M at the close, {_MID}",
        reference=_HUANG,
        kernel="quotes:spreads",
    ),
    Family(
        name="mid_return",
        inputs=_SIDES,
        parameters={"window": Parameter(1)},
        lookback=window_and_before,
        unit="percent",
        formula=f"100·ln(M/M[window]), {_MID} at the close",
        reference="Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 3.2",
        kernel="quotes:spreads",
    ),
    Family(
        name="quoted_depth",
        inputs=_SIZES,
        lookback=one_bar,
        unit="log of the source's unit of size",
        formula="ln(bid size + ask size); NaN where no size is given",
        reference="Chordia, Roll, Subrahmanyam (2001), Market Liquidity and Trading Activity",
        kernel="quotes:depths",
        scale_free=False,
    ),
    Family(
        name="depth_imbalance",
        inputs=_SIZES,
        lookback=one_bar,
        unit="−1 to 1",
        formula="(bid size − ask size)/(bid size + ask size); NaN where no size is given",
        reference="Cao, Hansch, Wang (2009), The Information Content of an Open Limit-Order Book",
        kernel="quotes:depths",
    ),
    Family(
        name="order_flow_imbalance",
        inputs=(*_SIDES, *_SIZES),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="mean depths of one side",
        formula="Σe / mean of (bid size + ask size)/2, both over window bars, "
        "e = [bid ≥ bid[1]]·bid size − [bid ≤ bid[1]]·bid size[1] "
        "− [ask ≤ ask[1]]·ask size + [ask ≥ ask[1]]·ask size[1] from close to close; "
        "NaN where no size is given",
        reference=_CONT,
        kernel="quotes:depths",
    ),
    Family(
        name="order_imbalance",
        inputs=("close", "volume", *_SIDES),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="−1 to 1",
        formula=f"ΣD·V / ΣV over window bars, {_SIDE}; NaN where nothing was traded",
        reference="Ellis, Michaely, O'Hara (2000), The Accuracy of Trade Classification Rules",
        kernel="quotes:sides",
    ),
    Family(
        name="realised_impact",
        inputs=("close", *_SIDES),
        parameters={"horizon": Parameter(5), "window": Parameter(20)},
        lookback=lambda values: values["horizon"] + values["window"] + 1,
        unit="basis points of the midpoint",
        formula="mean of 2·10⁴·D[horizon]·ln(M/M[horizon]) over window bars: how far the midpoint "
        f"had gone with the trade of horizon bars before, {_SIDE}",
        reference=_HUANG,
        kernel="quotes:sides",
    ),
)
