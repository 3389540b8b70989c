"""Articles of any RSS or Atom feed, and Yahoo's headlines of a symbol.

``options`` is what a recipe may say, ``client`` gets a feed's bytes, ``parse`` makes rows of them,
``source`` joins the two. A feed holds what is newest and no history: ask it often, and the lake
keeps what it has seen. An article is known from its receipt on.
"""
