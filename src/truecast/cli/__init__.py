"""What a person types: ``truecast COMMAND``.

``app`` names the commands and turns errors into one message and an exit code, ``commands`` hold
one function each, ``output`` draws tables and progress, and ``options`` reads what was typed.
"""
