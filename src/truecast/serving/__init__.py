"""Answering: from a champion's bundle and the newest bars to a forecast.

``forecaster`` is a plain object: it computes features on the tail of the series with the very
function that training used, and never fits anything.
"""
