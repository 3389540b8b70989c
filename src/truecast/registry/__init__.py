"""Which trained model answers for a slot.

``store`` keeps bundles by version, one folder a slot, and the name of the champion.
"""
