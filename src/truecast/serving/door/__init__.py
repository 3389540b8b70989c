"""What every request passes first: names, keys, limits, sizes; and the record of who came."""
