"""How much was traded, relative to what is usual: free of the unit of volume."""

from truecast.features.declaration import Family, Parameter, Parameters


def _window(values: Parameters) -> int:
    return values["window"]


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
        lookback=_window,
        unit="ratio",
        formula="V/SMA(V, window); NaN where nothing was traded",
        reference="Gervais, Kaniel, Mingelgrin (2001), The High-Volume Return Premium",
        kernel="volume:volume_changes",
    ),
    Family(
        name="volume_zscore",
        inputs=("volume",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=_window,
        unit="standard deviations",
        formula="(V − SMA(V, window))/SD(V, window), sample SD; 0 where V is constant",
        reference="Gervais, Kaniel, Mingelgrin (2001), The High-Volume Return Premium",
        kernel="volume:volume_changes",
    ),
)
