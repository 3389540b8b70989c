"""The stages of a recipe as plain functions, in the order in which they run.

``workspace`` knows where everything is kept. ``ingest`` fetches bars into the lake, ``build``
computes features and outcomes, ``study`` walks forward and chooses a champion on the rows before
the evaluation, ``train`` fits it on all that is known, ``predict`` issues forecasts, ``verify``
proves that none of this sees the future, and ``run`` does it all. ``pool`` is one model over all
instruments; ``fanout`` hands what is done for each of many to the
``engine``: local processes, or a Ray ``cluster``; workers keep the rows of their last errands
(``kept``).
"""
