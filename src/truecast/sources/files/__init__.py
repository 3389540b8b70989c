"""Bars in files of your own: CSV and its kin, NDJSON (both also gzipped), and Parquet.

``options`` is what a recipe may say, ``client`` finds the file of a symbol. ``table`` reads its
bytes: ``inflate`` unpacks, ``text`` and ``dialect`` part the cells, ``jsonlines`` reads objects.
``columns`` recognises what the columns are, ``stamps`` and ``dates`` read when, ``numbers`` and
``scaled`` how much. ``ticks`` gathers trades into bars, ``yfinance`` hands Yahoo's tables to the
one who mends them. ``parse`` joins these, and ``place`` says where in the file something is.

A file is read strictly. What its whole content leaves no doubt about is found out, and said in a
note where it is not plain; what could be read in two ways, or not at all, refuses the whole file
with its line and the option that would tell, and nothing of it gets past bronze. A missing number
is kept as missing, for the lake's contracts to judge.
"""
