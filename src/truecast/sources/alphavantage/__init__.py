"""Scored articles from Alpha Vantage's ``NEWS_SENTIMENT``: with a key, 25 requests a day.

``options`` is what a recipe may say, ``client`` asks and tells refusals, which come with status
200, from answers, ``parse`` makes rows, ``source`` walks through time.

The vendor says when an article was published, not when it had it, and its scores are a model's
that may be run again: an article and its score are known from their receipt on.
"""
