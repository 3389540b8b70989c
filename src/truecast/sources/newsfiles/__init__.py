"""Articles in files of your own: JSON, NDJSON, CSV (all three also gzipped) and Parquet.

``options`` is what a recipe may say, ``client`` finds the files, ``table`` reads their rows,
``columns`` recognises what is what, ``stamps`` reads dates and times, ``parse`` joins these.

A file is read strictly: a date that cannot be read, or could be read in two ways, refuses the
whole file with its line and says what would tell; nothing of it gets past bronze. An absent date
is no error. An article is known from its receipt on, unless a column says since when it was.
"""
