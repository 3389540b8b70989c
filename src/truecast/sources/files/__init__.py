"""Bars in files of your own: plain CSV (also gzipped) and Parquet.

``options`` is what a recipe may say, ``client`` finds the file of a symbol, ``table`` reads it,
``columns`` recognises its columns, ``stamps`` reads its dates and times, ``parse`` makes rows.

A file is read strictly: a cell that is neither a number nor empty, or a date that is not ISO
(``2018-12-31``, ``2018-12-31 15:30:00``, with or without an offset), refuses the whole file with
its line, and nothing of it gets past bronze. A missing number is kept as missing, for the lake's
contracts to judge.
"""
