"""How much was traded, relative to what is usual: free of the unit of volume."""

from truecast.features import kernels
from truecast.features.block import Block
from truecast.features.declaration import Family, Parameter, Parameters


def compute_volume(block: Block) -> None:
    """Compute changes of volume, and volume against its recent mean."""
    volume = block.input("volume")
    now = block.now(volume)
    for _, out in block.wanted("log_volume_change"):
        kernels.log_ratio(now, block.before(volume, 1), 100.0, out)
    windows = block.windows("volume_ratio", "volume_zscore")
    moments = block.moments(volume, windows) if windows else {}
    for values, out in block.wanted("volume_ratio"):
        window = values["window"]
        kernels.quotient(now, block.now(moments[window][0]), float(window), out)
    for values, out in block.wanted("volume_zscore"):
        window = values["window"]
        total, squares = moments[window]
        kernels.standard_score(now, block.now(total), block.now(squares), window, out)


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
        compute=compute_volume,
    ),
    Family(
        name="volume_ratio",
        inputs=("volume",),
        parameters={"window": Parameter(20)},
        lookback=_window,
        unit="ratio",
        formula="V/SMA(V, window); NaN where nothing was traded",
        reference="Gervais, Kaniel, Mingelgrin (2001), The High-Volume Return Premium",
        compute=compute_volume,
    ),
    Family(
        name="volume_zscore",
        inputs=("volume",),
        parameters={"window": Parameter(20, minimum=2)},
        lookback=_window,
        unit="standard deviations",
        formula="(V − SMA(V, window))/SD(V, window), sample SD; 0 where V is constant",
        reference="Gervais, Kaniel, Mingelgrin (2001), The High-Volume Return Premium",
        compute=compute_volume,
    ),
)
