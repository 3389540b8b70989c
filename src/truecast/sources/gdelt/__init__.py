"""Headlines of the whole world from the GDELT DOC API: no key, one request in eight seconds.

``options`` is what a recipe may say, ``query`` checks and writes a query, ``client`` asks and
tells GDELT's errors apart, ``parse`` makes rows, ``source`` walks through time.

GDELT gives an address, a headline, a site and ``seendate``: when it first saw the article, in
steps of 15 minutes. That is when an article is known. When it was published GDELT does not say.
"""
