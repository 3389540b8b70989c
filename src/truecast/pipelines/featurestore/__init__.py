"""The online feature store: a recipe's newest feature rows by Feast, for programs besides Truecast.

It lies in ``pipelines`` because it joins what the lake, the features and a workspace give; a room
of its own would hold only these steps. ``library`` imports Feast, which is an extra and slow.
``store`` says where everything of a recipe is kept and opens it: SQLite in the home, or Redis.
``definitions`` writes entity, source and view from the recipe's plan. ``lineage`` is the record of
a push. ``rows`` takes the rows from gold. ``push`` does it all, and ``read`` gives back the newest
row, or the rows as they were known at moments of the past. Truecast's own forecasts do not come
by here: they compute from the lake.
"""
