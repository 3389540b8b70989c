"""Bars and news come in, fetched or pushed, and forecasts are issued from them."""
