"""The lake: everything received, kept as it was when it became known.

``bronze`` holds payloads by their SHA-256 and an index of each receipt. ``silver`` holds bars,
every version of them (:mod:`truecast.lake.bars`), and what the ``contracts`` kept out, in
quarantine. ``gold`` holds feature and dataset rows with the versions that they came from.
:class:`truecast.lake.history.BarHistory` answers what a series looked like at any moment.
"""
