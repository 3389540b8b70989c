"""Bars and articles made up from a seed, by a process that is stated here in full.

What is drawn depends on the seed, the options, the symbol and the day alone, so a series is the
same to the bit whatever part of it is asked for, and when, by the same versions of NumPy and Numba
on the same kind of machine. It goes on as time does. ``options``
says what may be set, ``draws`` is where chance comes from, ``schedule`` says when which article is
known, ``path`` joins them into the log price at each open, ``kernels`` fills in the minutes,
``client`` writes them as bytes, ``parse`` reads those, ``source`` and ``news`` are the two sources.
``texts`` has the words of articles, ``outbox`` the file of those that a person sends.

Notes
-----
Session s has M minutes, m = 0 … M−1; u = (m + ½)/M; ζ, ε are independent N(0, 1).

Regimes
    k(s) is a Markov chain over the sessions with the matrix ``transitions``; the first regime is
    drawn from its stationary distribution. σ = ``volatility``[k]/100 is the standard deviation of
    the diffusive log return from close to close. R = σ/σ₀ is the regime's over the first one's.
Night
    gap = √w·σ·ζ with w = ``overnight`` where the market was closed before the session, else w = 0.
Day
    The mid log price moves by √(1−w)·σ·v(m)·ε in a minute, where v(m)² = g(u)/Σg and
    g(u) = 1 + ``seasonality``·(2u−1)². The sum over the session is drawn first, and the minutes
    given their sum: the same law, and any session can be had without the minutes before it.
Market
    Each ζ and ε is ρ·(the market's) + √(1−ρ²)·(the instrument's own), ρ = ``market_loading``. That
    is the one tie between instruments: their correlation is ρ² where regimes are alike.
Jumps
    With probability ``jump_rate`` a session has one jump at a uniformly drawn minute, of size
    N(0, ``jump``²) in percent, at the minute's start, after its opening price.
News
    Articles come at Poisson times, ``articles_per_day`` a calendar day and symbol; 40 % say
    sentiment 1, 40 % −1, 20 % 0. Each is known ``news_delay`` after it is published. From the first
    minute that begins at or after that, over N = ``effect_minutes`` minutes of trading (nights do
    not count), the log price drifts by sentiment·``effect_bps``/10⁴·q^j/Σq^i, q = exp(−3/N), in the
    j-th one. Before that nothing moves, so nobody can gain by an article that is not known.
Extremes
    High and low of a minute's mid are those of a Brownian bridge, drawn apart:
    (a + b ± √((b−a)² + 2·s²·E))/2 with E exponential, s² the minute's variance, a after the jump.
Quotes
    bid = mid·e^−h, ask = mid·e^h, h = ``spread_bps``/2·10⁻⁴·R·L(¼), L(τ) = exp(τε − τ²/2) of mean
    1, one h a minute. Opening and closing trades are at bid or ask, each with probability ½; high
    and low are the ask's high and the bid's low. So bid < ask, and the trades lie between.
Amounts
    Volume of a minute: ``volume``·R·g(u)/Σg·L(½); at bid and ask: ``depth``/R·L(½), each its own;
    whole numbers, at least 1.
Longer bars
    They are the exact aggregates of the minutes: the daily bar too.

No drift but the news: the expected log return is 0. The minutes of a half-day carry a whole day's
variance and volume, and a lunch break is traded through.
"""
