"""Say of a version which gates it failed, if any."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; versions of before were held against no gates."""
    op.add_column("versions", sa.Column("blocked", sa.Text()))
