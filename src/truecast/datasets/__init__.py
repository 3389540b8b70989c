"""Rows that a model may learn from: features, and outcomes with the moment they became known.

``targets`` says what came of each decision, ``assembly`` joins it with the features known at the
decision, ``pooled`` puts several instruments together, ``splits`` cuts the rows in time, and
``checks`` proves that no row knows its outcome.
Features never import this room: a label cannot reach a feature.
"""
