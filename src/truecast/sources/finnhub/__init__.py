"""News of companies from Finnhub: with a key, 60 requests a minute, a year back.

``options`` is what a recipe may say, ``client`` asks and tells refusals from answers, ``parse``
makes rows, ``source`` walks through time. An article is known from its receipt on.
"""
