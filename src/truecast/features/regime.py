"""How volatile the market is against its own past: ratios, ranks, regimes, stress.

Every threshold comes from a trailing window, so a row never sees what came after it.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import window_bars

#: Bars of the standard deviation of returns that is ranked, and set against its own past.
NEWEST = 20
#: Bars of what is slow in the stress, and of the past that it is set against.
SLOW, PAST = 50, 252


def _past_of_newest(values: Parameters) -> int:
    return values["window"] + NEWEST


def _slow_and_before(values: Parameters) -> int:
    return max(values["fast"], values["slow"]) + 1


_CAMPBELL = "Campbell, Lo, MacKinlay (1997), The Econometrics of Financial Markets, 12.2"
_REGIMES = "Ang, Timmermann (2012), Regime Changes and Financial Markets"
_SPANS = {"fast": Parameter(NEWEST, minimum=2), "slow": Parameter(SLOW, minimum=2)}
_PAST = {"window": Parameter(1000, minimum=2)}
_SD = "sample SD of 100·ln(C/C[1])"
_S = f"S = {_SD} over {NEWEST} bars"

FAMILIES = (
    Family(
        name="vol_of_vol",
        inputs=("close",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=lambda values: 2 * values["window"],
        unit="percent a bar",
        formula=f"sample SD over window bars of S, S = {_SD} over window bars",
        reference="Corsi, Mittnik et al. (2008), The Volatility of Realized Volatility",
        kernel="regime:volatility_states",
    ),
    Family(
        name="volatility_ratio",
        inputs=("close",),
        parameters=_SPANS,
        lookback=_slow_and_before,
        unit="ratio",
        formula=f"{_SD} over fast bars / {_SD} over slow bars; NaN where the close did not move",
        reference=_CAMPBELL,
        kernel="regime:volatility_states",
    ),
    Family(
        name="high_volatility",
        inputs=("close",),
        parameters=_SPANS,
        lookback=_slow_and_before,
        unit="0 or 1",
        formula=f"1 where {_SD} over fast bars > 1.5·{_SD} over slow bars; 0 elsewhere",
        reference=_REGIMES,
        kernel="regime:volatility_states",
    ),
    Family(
        name="market_stress",
        inputs=("close", "volume"),
        lookback=lambda _: PAST + NEWEST,
        unit="0 to 1",
        formula=f"0.5·[S > 1.5·{_SD} over {SLOW} bars] + "
        f"0.3·[SMA(V, {NEWEST}) > 1.2·SMA(V, {SLOW})] + "
        f"0.2·[S > mean + 2·sample SD of S over {PAST} bars], {_S}",
        reference=_REGIMES,
        kernel="regime:volatility_states",
    ),
    Family(
        name="volatility_rank",
        inputs=("close",),
        parameters=_PAST,
        lookback=_past_of_newest,
        unit="0 to 1",
        formula=f"share of the last window values of S that are <= the newest, its own included, "
        f"{_S}",
        reference="Hyndman, Fan (1996), Sample Quantiles in Statistical Packages, definition 1",
        kernel="regime:volatility_against_past",
    ),
    Family(
        name="volatility_to_median",
        inputs=("close",),
        parameters=_PAST,
        lookback=_past_of_newest,
        unit="ratio",
        formula=f"S / median of the last window values of S, {_S}; NaN where the median is 0",
        reference=_REGIMES,
        kernel="regime:volatility_against_past",
    ),
    Family(
        name="volatility_low",
        inputs=("close",),
        parameters=_PAST,
        lookback=_past_of_newest,
        unit="0 or 1",
        formula=f"1 where S < 0.7·median of the last window values of S, 0 elsewhere, {_S}",
        reference=_REGIMES,
        kernel="regime:volatility_against_past",
    ),
    Family(
        name="volatility_high",
        inputs=("close",),
        parameters=_PAST,
        lookback=_past_of_newest,
        unit="0 or 1",
        formula=f"1 where S > 1.5·median of the last window values of S, 0 elsewhere, {_S}",
        reference=_REGIMES,
        kernel="regime:volatility_against_past",
    ),
    Family(
        name="range_mean",
        inputs=("high", "low", "close"),
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="percent of the close",
        formula="mean of 100·(H − L)/C over window bars",
        reference="Parkinson (1980), The Extreme Value Method",
        kernel="regime:mean_ranges",
    ),
)
