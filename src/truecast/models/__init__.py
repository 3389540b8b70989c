"""Models: arrays of features in, forecasts out, and a trained model on disk without pickle.

``base`` holds the interface and its checks, ``parameters`` what a recipe may set, ``catalog``
every model by its name. The models: ``naive`` (no change, climatology), ``linear`` (ridge,
logistic), ``trees`` (LightGBM), ``garch`` and ``har`` (volatility). ``manifest`` says what a
bundle holds and ``bundle`` writes and reads it, refusing whatever is not exactly that.

Importing a model imports no library that fits: those are imported inside ``fit``.
"""
