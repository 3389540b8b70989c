"""Judge forecasts beside the naive ones, on identical dates, and say so in words.

The way of a walk-forward's forecasts through this room: ``metrics``, ``probabilities`` and
``intervals`` turn outcomes and forecasts into losses; ``significance`` asks whether a
difference in loss is more than luck, counting how many models were tried; ``scorecard`` puts
both together for a slot; ``words`` and ``tables`` say it in a terminal, ``plots`` and
``report`` in one HTML file. ``walkforward`` makes the forecasts. All but the last are pure
functions of arrays: nothing here reads the lake, and nothing here can reach a model.
"""
