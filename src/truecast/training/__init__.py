"""Fitting models to what was known.

``fit`` trains one model for one fold of rows, ``calibration`` gathers the scores that the
intervals adapt to, and ``store`` keeps bundles and says which one is the champion.
"""
