"""Yahoo: its chart document, and tables that others made from it.

``options`` is what a recipe may say and what a symbol implies, ``client`` lets yfinance ask,
``session`` is what it asks through, ``parse`` reads the document that came into ``rows``, ``mend``
corrects what Yahoo is known to get wrong (``offline`` runs yfinance's rules, ``audit`` writes down
what they changed), ``raw`` undoes later splits, ``source`` joins these.
"""
