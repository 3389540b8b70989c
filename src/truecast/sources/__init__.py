"""Where bars come from.

A source fetches bytes and parses them, in that order and apart, so the lake can keep the bytes
before anyone interprets them. Each vendor has a folder of the same shape: ``client`` gets the
bytes, ``parse`` turns them into rows, ``source`` joins the two. ``base`` says what a source is,
``catalog`` opens the one that a recipe names, ``options`` and ``frames`` hold what their options
and their parsers share.
Nothing here judges a row: that is for the lake's contracts.
"""
