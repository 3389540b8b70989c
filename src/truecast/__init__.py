"""Truecast forecasts markets and keeps an honest record of how right it was.

The way of the data, one room a step, imports running only downwards:

``sources`` fetch bars, ``lake`` keeps every version of them, ``features`` and ``datasets``
turn them into rows that use only what was known, ``models`` are fitted by ``training`` and
judged by ``evaluation``, ``serving`` issues forecasts, ``pipelines`` join the steps, and
``cli`` is what a person types. ``core`` holds the words they share.
"""

__version__ = "0.1.0"
