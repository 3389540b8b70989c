"""How much was traded; see ``features/volume.py`` for each formula."""

from truecast.features.declaration import Asked, Inputs, Outputs
from truecast.features.kernels.compiling import kernel
from truecast.features.kernels.elementwise import log_ratio, quotient, standard_score
from truecast.features.kernels.inputs import VOLUME
from truecast.features.kernels.windows import row_of, window_moments, windows_of


@kernel
def volume_changes(
    x: Inputs,
    begin: int,
    halo: int,
    out: Outputs,
    start: int,
    log_volume_change: Asked,
    volume_ratio: Asked,
    volume_zscore: Asked,
) -> None:
    """Write changes of volume, and volume against its recent mean."""
    volume = x[VOLUME, begin:]
    now, stop = volume[halo:], start + volume.size - halo
    for asked in log_volume_change:
        log_ratio(now, volume[halo - 1 : volume.size - 1], 100.0, out[asked[0], start:stop])
    windows = windows_of(volume_ratio, volume_zscore)
    sums, squares = window_moments(volume, windows)
    for asked in volume_ratio:
        total = sums[row_of(windows, asked[1]), halo:]
        quotient(now, total, float(asked[1]), out[asked[0], start:stop])
    for asked in volume_zscore:
        at = row_of(windows, asked[1])
        standard_score(
            now, sums[at, halo:], squares[at, halo:], asked[1], out[asked[0], start:stop]
        )
