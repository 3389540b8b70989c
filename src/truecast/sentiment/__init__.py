"""What the news say: how likely a text is good, bad or no news for whom it is about.

``base`` says what a scorer is, ``catalog`` opens one by its name. ``lexicon`` weighs the words of
``words`` and needs nothing else. ``finbert`` is a language model for financial texts:
``modelfiles`` fetches its files once through ``hub`` and checks them, ``classifier`` runs them. A
score says nothing about time: when it may be used follows from when its article was known.
"""
