"""The words that every room shares.

``instrument``, ``interval``, ``slot`` and ``forecast`` are frozen domain types; ``clock`` says
what time it is and ``calendars`` when markets trade; ``recipe`` is the one file a user writes;
``settings`` come from the environment; ``errors`` and ``names`` turn mistakes into one clear
message with the nearest valid choice.
"""
