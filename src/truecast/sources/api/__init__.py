"""Bars and articles that are pushed: whoever has them sends them to ``POST /bars``, ``POST /news``.

Nothing is ever asked for here, so there is no client: what is posted is the payload, and it goes
through the same parsing and the same checks as a vendor's answer.
"""
