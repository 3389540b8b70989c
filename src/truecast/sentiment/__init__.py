"""What the news say: how likely a text is good, bad or no news for whom it is about.

``base`` says what a scorer is, ``catalog`` opens one by its name. ``lexicon`` counts the words of
``words`` and needs nothing else. ``finbert`` runs a language model for financial texts, whose files
``modelfiles`` fetches once through ``hub``, checks, and keeps. A score says nothing about time:
when it may be used follows from when its article was known.
"""
