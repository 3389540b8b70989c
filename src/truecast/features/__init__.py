"""Features: columns of numbers that use only what was known at the time.

1. ``declaration`` says what a feature is: inputs, parameters, lookback, unit, formula, source.
2. ``price``, ``volatility``, ``volume``, ``calendar`` and ``context`` hold the families, one
   readable function for those that share work; ``kernels`` are the compiled loops they use.
3. ``catalog`` is the table of all families and of the named sets that recipes use.
4. ``plan`` turns the names in a recipe into features, and derives the history they need.
5. ``compute`` computes a plan: one function for all decisions of the past and for the newest.
6. ``checks`` proves that a plan reads nothing from the future, and the tail equals the batch.
"""
