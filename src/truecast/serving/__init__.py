"""Answering: from a champion's bundle and the newest bars to a forecast, and over HTTP.

``forecaster`` computes features on the tail of the series with the very function that training
used, and never fits anything. ``champions`` keeps one for each slot, loaded and checked.
``service`` is all that can be asked, as plain calls: ``choosing`` finds the slot that is meant,
``answers`` computes, writes into the ledger, and only then gives out. HTTP is a shell around it:
``schemas`` is what is sent, ``routes`` and ``app`` say where, ``problems`` what went wrong,
``guard`` who may ask, ``runner`` listens. ``track_record`` tells how issued forecasts fared.
"""
