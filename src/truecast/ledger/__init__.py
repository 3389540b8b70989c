"""Every forecast as it was issued, and what came of it.

``ledger`` writes forecasts down before their outcome is known, and outcomes once they are;
``query`` says which of them are asked for, ``rows`` how they stand in the database. Nothing that
was written is ever changed. Of all forecasts of a slot for one moment the first is scored; those
that came later name it in ``supersedes``.
"""
