"""What trading costs and which side is pressing, estimated from bars of trades alone.

These are proxies, for sources without bid and ask; what is told by real quotes is in ``quotes``.
All but Amihud's ratio are free of the units of price and volume. Bars in which nothing was traded
have no price impact: they are left out of its means.
"""

from truecast.features.declaration import Family, Parameter
from truecast.features.lookbacks import one_bar, window_and_before, window_bars

#: Bars whose mean volume is the usual one, for price impact.
USUAL = 20


_RETURN = "r = 100·ln(C/C[1])"
_AMIHUD = "Amihud (2002), Illiquidity and Stock Returns"
_ALPHAS = "Kakushadze (2016), 101 Formulaic Alphas"

FAMILIES = (
    Family(
        name="price_impact",
        inputs=("close", "volume"),
        lookback=lambda _: USUAL,
        unit="percent per usual volume",
        formula=f"|r|·SMA(V, {USUAL})/V, {_RETURN}; NaN where V is 0",
        reference=_AMIHUD,
        kernel="microstructure:impacts",
    ),
    Family(
        name="price_impact_mean",
        inputs=("close", "volume"),
        parameters={"window": Parameter(20)},
        lookback=lambda values: values["window"] + USUAL - 1,
        unit="percent per usual volume",
        formula=f"mean of |r|·SMA(V, {USUAL})/V over those of window bars in which V > 0, "
        f"{_RETURN}",
        reference=_AMIHUD,
        kernel="microstructure:impacts",
    ),
    Family(
        name="amihud",
        inputs=("close", "volume"),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="percent per million of turnover (price times the source's unit of volume)",
        formula=f"10⁶·mean of |r|/(C·V) over those of window bars in which V > 0, {_RETURN}",
        reference=_AMIHUD,
        kernel="microstructure:impacts",
        scale_free=False,
    ),
    Family(
        name="kyle_lambda",
        inputs=("close", "volume"),
        parameters={"window": Parameter(60)},
        lookback=window_and_before,
        unit="percent per usual volume",
        formula="slope through the origin of r on sign(r)·V/SMA(V, window) over window bars: "
        f"Σ|r|·V·SMA(V, window)/Σ(V² where r is not 0), {_RETURN}; NaN where that is 0/0",
        reference="Kyle (1985), Continuous Auctions and Insider Trading; estimated as in "
        "Hasbrouck (2009), Trading Costs and Returns for U.S. Equities",
        kernel="microstructure:impacts",
    ),
    Family(
        name="signed_volume",
        inputs=("close", "volume"),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="−1 to 1",
        formula="Σ sign(C − C[1])·V / ΣV over window bars; NaN where nothing was traded",
        reference="Pástor, Stambaugh (2003), Liquidity Risk and Expected Stock Returns",
        kernel="microstructure:impacts",
    ),
    Family(
        name="roll_spread",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: values["window"] + 2,
        unit="percent",
        formula="2·√(−cov(r, r[1])), sample covariance over window bars; 0 where it is positive, "
        f"{_RETURN}",
        reference="Roll (1984), A Simple Implicit Measure of the Effective Bid-Ask Spread",
        kernel="bounces:bounces",
    ),
    Family(
        name="corwin_schultz",
        inputs=("high", "low"),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="percent",
        formula="mean over window bars of max(0, 100·2·(e^α − 1)/(e^α + 1)), "
        "α = (1 + √2)·(√β − √γ), β = ln(H/L)² + ln(H[1]/L[1])², "
        "γ = ln(max(H, H[1])/min(L, L[1]))²",
        reference="Corwin, Schultz (2012), A Simple Way to Estimate Bid-Ask Spreads",
        kernel="bounces:bounces",
    ),
    Family(
        name="efficiency_ratio",
        inputs=("close",),
        parameters={"window": Parameter(20)},
        lookback=window_and_before,
        unit="0 to 1",
        formula="|C − C[window]| / Σ|C − C[1]| over window bars; 0 where nothing moved",
        reference="Kaufman (1995), Smarter Trading",
        kernel="bounces:bounces",
    ),
    Family(
        name="order_flow",
        inputs=("open", "high", "low", "close"),
        lookback=one_bar,
        unit="−1 to 1",
        formula="(C − O)/(H − L); 0 where the bar has no range",
        reference=_ALPHAS,
        kernel="microstructure:flows",
    ),
    Family(
        name="order_flow_mean",
        inputs=("open", "high", "low", "close"),
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="−1 to 1",
        formula="mean of (C − O)/(H − L) over window bars, 0 for a bar without range",
        reference=_ALPHAS,
        kernel="microstructure:flows",
    ),
    Family(
        name="money_flow",
        inputs=("high", "low", "close", "volume"),
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="−1 to 1",
        formula="Σ V·((C − L) − (H − C))/(H − L) / ΣV over window bars, 0 for a bar without range; "
        "NaN where nothing was traded",
        reference="Achelis (2001), Technical Analysis from A to Z: Chaikin Money Flow",
        kernel="microstructure:flows",
    ),
    Family(
        name="close_to_vwap",
        inputs=("high", "low", "close", "volume"),
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="percent",
        formula="100·(C/VWAP − 1), VWAP = Σ V·(H + L + C)/3 / ΣV over window bars; "
        "NaN where nothing was traded",
        reference="Berkowitz, Logue, Noser (1988), The Total Cost of Transactions on the NYSE",
        kernel="microstructure:flows",
    ),
)
