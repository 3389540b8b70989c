"""Answering: from a champion's bundle and the newest bars to a forecast, and over HTTP.

``service`` is all that can be asked, as plain calls. ``answering`` does it: ``choosing`` finds
the slot that is meant, ``champions`` keeps who answers for each, loaded and checked,
``forecaster`` computes features on the tail of the series with the very function that training
used, and ``answers`` writes into the ledger, and only then gives out. ``feed`` lets bars and news
in, ``stream`` lets forecasts out as they are issued. HTTP is a shell around it: ``door`` is what
every request passes first, ``routes`` says where, ``schemas`` what is sent, ``problems`` what
went wrong, ``app`` puts it together, ``runner`` listens. Nothing here fits anything.
"""
