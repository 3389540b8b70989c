"""Qlib's Alpha158: one bar's shape, and 29 figures of the last 5, 10, 20, 30 and 60 bars.

A feature has Qlib's name in small letters after ``alpha_``: ``ROC5`` is ``alpha_roc_5``. The
formulas are Qlib's, and so are the ratios (not percent), with these differences:

- A value needs its whole window, as everywhere here; Qlib begins with the first bar.
- Bars have no volume-weighted price: ``alpha_vwap0`` takes (O + H + L + C)/4. The typical price
  (H + L + C)/3 would say what ``alpha_ksft`` says.
- ε = 10⁻¹² is added to a denominator as in Qlib, but where the denominator is 0 the value is 0
  (nothing moved) or NaN (nothing was traded), not up to 10¹² times the numerator.
- A correlation or R² is NaN where a standard deviation is no more than what rounding leaves of
  nothing. Qlib asks for 2·10⁻⁵ in the unit of the price: in quiet minutes a currency pair moves
  less.

``OPEN0`` follows from ``KMID``, ``SUMN`` and ``SUMD`` from ``SUMP`` (as do those of volume), and
``CNTD`` from ``CNTP`` and ``CNTN``: they are kept because a model fitted to Alpha158 expects them.
"""

from truecast.features.declaration import Family, Parameter, Parameters
from truecast.features.lookbacks import one_bar

#: The windows of the 29 families that have one.
WINDOWS = (5, 10, 20, 30, 60)

_REFERENCE = (
    "Yang, Liu, Zhou, Bian, Liu (2020), Qlib: An AI-oriented Quantitative Investment Platform"
)
_ROUNDED = "NaN where nothing moved"


def _of_bar(name: str, kernel: str, formula: str, unit: str) -> Family:
    return Family(
        name=f"alpha_{name}",
        inputs=("open", "high", "low", "close"),
        lookback=one_bar,
        unit=unit,
        formula=formula,
        reference=_REFERENCE,
        kernel=f"alphabars:{kernel}",
    )


def _of_window(
    name: str,
    kernel: str,
    formula: str,
    unit: str,
    inputs: tuple[str, ...] = ("close",),
    *,
    minimum: int = 2,
    before: int = 0,
    scale_free: bool = True,
) -> Family:
    """Declare a family of a window; ``before`` is how many bars before the window it reads."""

    def lookback(values: Parameters) -> int:
        return values["window"] + before

    return Family(
        name=f"alpha_{name}",
        inputs=inputs,
        parameters={"window": Parameter(20, minimum=minimum, maximum=240)},
        lookback=lookback,
        unit=unit,
        formula=formula,
        reference=_REFERENCE,
        kernel=kernel,
        scale_free=scale_free,
    )


_OPEN, _RANGE, _CLOSE = "share of the open", "share of the range", "share of the close"
_SHARE = "0 to 1"
_BOTH = "−1 to 1"
_VOLUME = "share of the volume"
_ROSE, _FELL, _MOVED = "Σ max(C − C[1], 0)", "Σ max(C[1] − C, 0)", "Σ|C − C[1]|"
_GREW, _SHRANK, _CHANGED = "Σ max(V − V[1], 0)", "Σ max(V[1] − V, 0)", "Σ|V − V[1]|"
_OVER = "over window bars"
_CHANNEL = ("high", "low", "close")
_TRADED = ("close", "volume")

OF_BARS = (
    _of_bar("kmid", "shares_of_open", "(C − O)/O", _OPEN),
    _of_bar("klen", "shares_of_open", "(H − L)/O", _OPEN),
    _of_bar("kmid2", "shares_of_range", "(C − O)/(H − L + ε); 0 without a range", _RANGE),
    _of_bar("kup", "shares_of_open", "(H − max(O, C))/O", _OPEN),
    _of_bar("kup2", "shares_of_range", "(H − max(O, C))/(H − L + ε); 0 without a range", _RANGE),
    _of_bar("klow", "shares_of_open", "(min(O, C) − L)/O", _OPEN),
    _of_bar("klow2", "shares_of_range", "(min(O, C) − L)/(H − L + ε); 0 without a range", _RANGE),
    _of_bar("ksft", "shares_of_open", "(2C − H − L)/O", _OPEN),
    _of_bar("ksft2", "shares_of_range", "(2C − H − L)/(H − L + ε); 0 without a range", _RANGE),
    _of_bar("open0", "shares_of_close", "O/C", _CLOSE),
    _of_bar("high0", "shares_of_close", "H/C", _CLOSE),
    _of_bar("low0", "shares_of_close", "L/C", _CLOSE),
    _of_bar(
        "vwap0",
        "shares_of_close",
        "(O + H + L + C)/4/C, for the volume-weighted price over C",
        _CLOSE,
    ),
)

_PRICES = "alphasums:prices"
_TREND = "alphatrend:regressions"
_ORDER = "alphaorder:quantiles"
_EXTREMES = "alphaorder:extremes"
_CORRELATED = "alphatrend:correlations"
_COUNTED = "alphasums:price_moves"
_VOLUMES = "alphasums:volumes"
_VOLUME_MOVES = "alphasums:volume_moves"

OF_WINDOWS = (
    _of_window("roc", _PRICES, "C[window]/C", _CLOSE, minimum=1, before=1),
    _of_window("ma", _PRICES, "SMA(C, window)/C", _CLOSE),
    _of_window("std", _PRICES, "SD(C, window)/C, sample SD", _CLOSE),
    _of_window(
        "beta", _TREND, "slope of C by the bar over window bars, over C", "share of the close a bar"
    ),
    _of_window(
        "rsqr", _TREND, f"R² of C on the bar over window bars; {_ROUNDED}", _SHARE, minimum=3
    ),
    _of_window(
        "resi",
        _TREND,
        "last residual of C on the bar over window bars, over C",
        _CLOSE,
        minimum=3,
    ),
    _of_window("max", _EXTREMES, "max(H, window)/C", _CLOSE, ("high", "close")),
    _of_window("min", _EXTREMES, "min(L, window)/C", _CLOSE, ("low", "close")),
    _of_window("qtlu", _ORDER, "quantile 0.8 of C over window bars, linear, over C", _CLOSE),
    _of_window("qtld", _ORDER, "quantile 0.2 of C over window bars, linear, over C", _CLOSE),
    _of_window(
        "rank", _ORDER, "rank of C among window bars, ties at their mean, over window", _SHARE
    ),
    _of_window(
        "rsv",
        _EXTREMES,
        "(C − min(L, window))/(max(H, window) − min(L, window) + ε); 0 without a range",
        _SHARE,
        _CHANNEL,
    ),
    _of_window(
        "imax",
        _EXTREMES,
        "place of the first max(H, window) in its window, oldest bar 1, over window",
        _SHARE,
        ("high",),
    ),
    _of_window(
        "imin",
        _EXTREMES,
        "place of the first min(L, window) in its window, oldest bar 1, over window",
        _SHARE,
        ("low",),
    ),
    _of_window(
        "imxd",
        _EXTREMES,
        "(place of the first max(H, window) − place of the first min(L, window))/window",
        _BOTH,
        ("high", "low"),
    ),
    _of_window(
        "corr",
        _CORRELATED,
        f"correlation of C and ln(V + 1) over window bars; {_ROUNDED}",
        _BOTH,
        _TRADED,
        minimum=3,
        scale_free=False,
    ),
    _of_window(
        "cord",
        _CORRELATED,
        "correlation of C/C[1] and ln(V/V[1] + 1) over those of window bars whose V[1] is not 0; "
        f"{_ROUNDED}, or fewer than 3 are left",
        _BOTH,
        _TRADED,
        minimum=3,
        before=1,
    ),
    _of_window("cntp", _COUNTED, "share of window bars with C > C[1]", _SHARE, before=1),
    _of_window("cntn", _COUNTED, "share of window bars with C < C[1]", _SHARE, before=1),
    _of_window(
        "cntd",
        _COUNTED,
        "share of window bars with C > C[1] − share with C < C[1]",
        _BOTH,
        before=1,
    ),
    *(
        _of_window(
            name,
            _COUNTED,
            f"({part})/({_MOVED} + ε) {_OVER}; 0 where nothing moved",
            unit,
            before=1,
        )
        for name, part, unit in (
            ("sump", _ROSE, _SHARE),
            ("sumn", _FELL, _SHARE),
            ("sumd", f"{_ROSE} − {_FELL}", _BOTH),
        )
    ),
    _of_window("vma", _VOLUMES, "SMA(V, window)/(V + ε); NaN where V is 0", _VOLUME, ("volume",)),
    _of_window(
        "vstd",
        _VOLUMES,
        "SD(V, window)/(V + ε), sample SD; NaN where V is 0",
        _VOLUME,
        ("volume",),
    ),
    _of_window(
        "wvma",
        _VOLUMES,
        "SD(X, window)/(SMA(X, window) + ε) of X = |C/C[1] − 1|·V; 0 where X is 0",
        "ratio",
        _TRADED,
        before=1,
    ),
    *(
        _of_window(
            name,
            _VOLUME_MOVES,
            f"({part})/({_CHANGED} + ε) {_OVER}; 0 where V did not change",
            unit,
            ("volume",),
            before=1,
        )
        for name, part, unit in (
            ("vsump", _GREW, _SHARE),
            ("vsumn", _SHRANK, _SHARE),
            ("vsumd", f"{_GREW} − {_SHRANK}", _BOTH),
        )
    ),
)

FAMILIES = (*OF_BARS, *OF_WINDOWS)
