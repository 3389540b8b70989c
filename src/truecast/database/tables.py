"""What the database holds.

Every moment is UTC. ``seq`` counts up in the order of writing and is never used twice.
``written_at`` is the system's time when a row was written, whatever the clock of a replay said.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from truecast.core.clock import require_utc

#: Name of the newest migration; see ``migrations/versions``.
REVISION = "0004"

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time-zone-aware moment, kept in UTC to the microsecond."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone; SQLite keeps the UTC wall time."""
        if value is None:
            return None
        moment = require_utc(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _seq() -> Column[Any]:
    # SQLite counts up by itself only in a column of exactly this type.
    return Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)


#: Every forecast that was ever issued. Columns are the fields of
#: :class:`truecast.core.forecast.Forecast`, but that ``prediction`` and ``baseline`` have a column
#: for numbers and one for words. ``edition`` and ``supersedes`` say which forecast is scored; see
#: :mod:`truecast.ledger`.
forecasts = Table(
    "forecasts",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("slot", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("recipe_hash", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("instrument", Text, nullable=False),
    Column("interval", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("mode", Text, nullable=False),
    Column("event_time", Moment, nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("issued_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("today_date", Date, nullable=False),
    Column("predicted_date", Date, nullable=False),
    Column("last_close", Float, nullable=False),
    Column("prediction", Float),
    Column("prediction_label", Text),
    Column("lower", Float),
    Column("upper", Float),
    Column("coverage", Float),
    Column("probability", Float),
    Column("baseline", Float),
    Column("baseline_label", Text),
    Column("baseline_probability", Float),
    Column("baseline_name", Text, nullable=False),
    Column("skill", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_type", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("trained_through", Moment, nullable=False),
    Column("features_used", Integer, nullable=False),
    Column("input_hash", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("reason", Text),
    Column("latency_ms", Float, nullable=False),
    Column("edition", Text, nullable=False),
    Column("supersedes", Text, ForeignKey("forecasts.id")),
    Column("written_at", Moment, nullable=False),
    Index("forecasts_by_slot", "slot", "mode", "due_at"),
    Index("forecasts_by_instrument", "instrument", "as_of"),
    # At most one forecast of a slot and moment is scored, whoever writes at the same time.
    Index(
        "forecasts_scored",
        "slot",
        "mode",
        "edition",
        "due_at",
        unique=True,
        sqlite_where=text("supersedes IS NULL AND mode <> 'whatif'"),
        postgresql_where=text("supersedes IS NULL AND mode <> 'whatif'"),
    ),
    sqlite_autoincrement=True,
)

#: What came of a forecast. ``value`` is in the forecast's unit: a price, a log return in percent,
#: 1 for up and 0 for not, 0 bear, 1 neutral or 2 bull for a regime, or for volatility the standard
#: deviation a bar in percent, from Garman-Klass times its trailing ratio. ``squared_return`` is
#: volatility's second proxy, the mean squared return a bar in percent squared.
outcomes = Table(
    "outcomes",
    metadata,
    Column("forecast_id", Text, ForeignKey("forecasts.id"), primary_key=True),
    Column("value", Float, nullable=False),
    Column("label", Text),
    Column("squared_return", Float),
    Column("known_at", Moment, nullable=False),
    Column("settled_at", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
)

#: Every trained bundle, and where it is in MLflow. ``skill`` is the verdict of the newest
#: evaluation of it, if there was one; ``blocked`` says in words which gates it failed, if any;
#: ``chosen`` whether the choice among the candidates fell on it (null: of before others were kept),
#: ``held`` why it does not replace the champion all the same.
versions = Table(
    "versions",
    metadata,
    _seq(),
    Column("slot", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model_type", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("recipe_hash", Text, nullable=False),
    Column("trained_through", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("skill", Text),
    Column("blocked", Text),
    Column("chosen", Boolean),
    Column("held", Text),
    Column("judged_at", Moment),
    Column("mlflow_model", Text),
    Column("mlflow_version", Text),
    Column("mlflow_run", Text),
    Column("trained_at", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    UniqueConstraint("slot", "version"),
    sqlite_autoincrement=True,
)

#: Every promotion and rollback, in order. The newest row of a slot names its champion: one row is
#: one step, so there is never none or two.
promotions = Table(
    "promotions",
    metadata,
    _seq(),
    Column("slot", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("promoted_at", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
    Index("promotions_by_slot", "slot", "seq"),
    sqlite_autoincrement=True,
)

#: Keys of the API. Of the secret only its SHA-256 is here: it has 256 random bits, which no list
#: of guesses finds. ``scopes`` are ``read``, ``write`` and ``admin``; a revoked key stays, for the
#: audit's sake.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("secret_hash", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("written_at", Moment, nullable=False),
)

#: Who changed what: keys made and revoked, promotions and rollbacks, by whom and from where.
audit = Table(
    "audit",
    metadata,
    _seq(),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("written_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

#: Who does alone what several processes could do, and until when. ``token`` counts up with each
#: new holder, so that one that was away too long is found out.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", Integer, nullable=False),
    Column("until", Moment, nullable=False),
    Column("written_at", Moment, nullable=False),
)
