"""Each forecast goes out to all who listen, as it is issued."""
