"""How much was traded, relative to what is usual: free of the unit of volume."""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import window_bars


def _slower(values: Parameters) -> int:
    return max(values["fast"], values["slow"])


_GERVAIS = "Gervais, Kaniel, Mingelgrin (2001), The High-Volume Return Premium"
_BLUME = "Blume, Easley, O'Hara (1994), Market Statistics and Technical Analysis"

FAMILIES = (
    Family(
        name="log_volume_change",
        inputs=("volume",),
        lookback=lambda _: 2,
        unit="percent",
        formula="100·ln(V/V[1]); NaN where either is 0",
        reference="Karpoff (1987), The Relation Between Price Changes and Trading Volume",
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_ratio",
        inputs=("volume",),
        parameters={"window": Parameter(20)},
        lookback=window_bars,
        unit="ratio",
        formula="V/SMA(V, window); NaN where nothing was traded",
        reference=_GERVAIS,
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_zscore",
        inputs=("volume",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=window_bars,
        unit="standard deviations",
        formula="(V − SMA(V, window))/SD(V, window), sample SD; 0 where V is constant",
        reference=_GERVAIS,
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_trend",
        inputs=("volume",),
        parameters={"fast": Parameter(5), "slow": Parameter(20)},
        lookback=_slower,
        unit="ratio",
        formula="SMA(V, fast)/SMA(V, slow); NaN where nothing was traded",
        reference=_GERVAIS,
        kernel="volume:volume_changes",
    ),
    Family(
        name="high_volume",
        inputs=("volume",),
        parameters={"fast": Parameter(20), "slow": Parameter(50)},
        lookback=_slower,
        unit="1 or 0",
        formula="1 where SMA(V, fast)/SMA(V, slow) > 1.2; NaN where nothing was traded",
        reference=_GERVAIS,
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_imbalance",
        inputs=("volume",),
        parameters={"window": Parameter(20)},
        lookback=lambda values: max(values["window"], 2),
        unit="usual volumes",
        formula="(V − V[1])/SMA(V, window); NaN where nothing was traded",
        reference=_BLUME,
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_acceleration",
        inputs=("volume",),
        parameters={"window": Parameter(20)},
        lookback=lambda values: max(values["window"], 3),
        unit="usual volumes",
        formula="(V − 2·V[1] + V[2])/SMA(V, window); NaN where nothing was traded",
        reference=_BLUME,
        kernel="volume:volume_changes",
    ),
)
