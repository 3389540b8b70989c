"""Named sets of features, one module each: ``MEMBERS`` are (feature, context symbol or None)."""
