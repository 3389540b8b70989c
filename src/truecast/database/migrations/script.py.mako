"""${message}."""

import sqlalchemy as sa
from alembic import op

from truecast.database.tables import Moment
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Do this step."""
    ${upgrades if upgrades else "pass"}
