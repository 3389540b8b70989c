"""Features: columns of numbers that use only what was known at the time.

1. ``declaration`` says what a feature is: inputs, parameters, lookback, unit, formula, source.
   ``price``, ``volume``, ``news`` and the other modules of a kind declare families, with the
   ``lookbacks`` that many share; ``user`` takes in a function of the user's own.
2. ``catalog`` is the table of all families, and of the named ``sets`` that recipes use.
3. ``plan`` turns the names in a recipe into features, and derives the history they need.
4. ``market`` holds bars and the moments of decision; ``clock`` says when in its session a bar is.
5. ``compute`` finds what was known at each decision; ``groups`` puts features that share work
   into one call of one of the ``kernels``, and ``blocks`` runs these over columns, on all cores.
   ``tail`` runs them on the newest bar alone, and ``warmup`` compiles them ahead.
6. ``checks`` proves that nothing is read from the future and the tail equals the batch,
   ``newschecks`` does so for news, and ``livechecks`` for bars that come late or one by one;
   all answer with ``results``.
"""
