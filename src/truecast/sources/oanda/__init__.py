"""Candles of OANDA's v20 interface: currency pairs, metals and CFDs, with bid and ask.

``options`` is what a recipe may say, ``client`` asks for one window of candles, ``parse`` makes
rows, ``source`` walks the windows from the oldest to now.

A candle's volume is the number of price updates in it, not an amount that was traded. A candle
that is not complete is never a bar.
"""
