"""Real daily prices that ship inside the ``arch`` package: no network, no account.

The S&P 500 and NASDAQ from Yahoo (1999 to 2018), the VIX (2014 to 2019) and WTI crude oil from
FRED (1986 to 2019). The S&P 500's "open" equals the close before on about 96 % of the days up to
2005, as Yahoo publishes it: a feature that needs the opening price says little there.
"""
