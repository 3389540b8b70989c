"""Forecasts, outcomes, versions and promotions: the first tables."""

import sqlalchemy as sa
from alembic import op

from truecast.database.tables import Moment

revision = "0001"
down_revision = None

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SCORED = sa.text("supersedes IS NULL AND mode <> 'whatif'")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "forecasts",
        sa.Column("seq", COUNTER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("recipe_hash", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("event_time", Moment(), nullable=False),
        sa.Column("as_of", Moment(), nullable=False),
        sa.Column("issued_at", Moment(), nullable=False),
        sa.Column("due_at", Moment(), nullable=False),
        sa.Column("today_date", sa.Date(), nullable=False),
        sa.Column("predicted_date", sa.Date(), nullable=False),
        sa.Column("last_close", sa.Float(), nullable=False),
        sa.Column("prediction", sa.Float()),
        sa.Column("prediction_label", sa.Text()),
        sa.Column("lower", sa.Float()),
        sa.Column("upper", sa.Float()),
        sa.Column("coverage", sa.Float()),
        sa.Column("probability", sa.Float()),
        sa.Column("baseline", sa.Float()),
        sa.Column("baseline_label", sa.Text()),
        sa.Column("baseline_probability", sa.Float()),
        sa.Column("baseline_name", sa.Text(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_type", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("trained_through", Moment(), nullable=False),
        sa.Column("features_used", sa.Integer(), nullable=False),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("supersedes", sa.Text()),
        sa.Column("written_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["supersedes"], ["forecasts.id"]),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("forecasts_by_instrument", "forecasts", ["instrument", "as_of"])
    op.create_index("forecasts_by_slot", "forecasts", ["slot", "mode", "due_at"])
    op.create_index(
        "forecasts_scored",
        "forecasts",
        ["slot", "mode", "edition", "due_at"],
        unique=True,
        sqlite_where=SCORED,
        postgresql_where=SCORED,
    )

    op.create_table(
        "promotions",
        sa.Column("seq", COUNTER, nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("promoted_at", Moment(), nullable=False),
        sa.Column("written_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("promotions_by_slot", "promotions", ["slot", "seq"])

    op.create_table(
        "versions",
        sa.Column("seq", COUNTER, nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_type", sa.Text(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("recipe_hash", sa.Text(), nullable=False),
        sa.Column("trained_through", Moment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("skill", sa.Text()),
        sa.Column("judged_at", Moment()),
        sa.Column("mlflow_model", sa.Text()),
        sa.Column("mlflow_version", sa.Text()),
        sa.Column("mlflow_run", sa.Text()),
        sa.Column("trained_at", Moment(), nullable=False),
        sa.Column("written_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("slot", "version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outcomes",
        sa.Column("forecast_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("squared_return", sa.Float()),
        sa.Column("known_at", Moment(), nullable=False),
        sa.Column("settled_at", Moment(), nullable=False),
        sa.Column("written_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["forecast_id"], ["forecasts.id"]),
        sa.PrimaryKeyConstraint("forecast_id"),
    )
