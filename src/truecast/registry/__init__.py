"""Which trained model answers for a slot.

The truth is in the SQL database: every trained bundle is a row of ``versions``, every promotion
and rollback a row of ``promotions``, and the newest row of a slot names its champion, so there is
never none or two. MLflow is the catalogue that people look at: a run and a model version for each
bundle, and an alias ``champion`` that follows the promotions. So whatever answers needs neither
MLflow nor its server, and an alias that was moved by hand is seen and put back.

1. ``store`` keeps bundles by version, one folder a slot;
2. ``records`` reads and writes the rows;
3. ``names`` and ``pyfunc`` say what a bundle is in MLflow; ``connection`` opens it, ``catalogue``
   speaks to it;
4. ``mirror`` lets MLflow follow the database;
5. ``registry`` is what the rooms above call.
"""
