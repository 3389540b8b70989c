"""The SQL database: one file by default, a server by setting. ``registry`` and ``ledger`` use it.

It is a room of its own because both keep rows in the same database and may not import each other.
``engine`` opens it and brings it up to date, ``tables`` says what is in it, ``migrations`` how it
came to be so. Rows are read and written by the rooms above.
"""
