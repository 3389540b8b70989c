"""Say of a version whether the choice fell on it, and why it does not replace the champion."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; only the chosen model of a slot was trained before."""
    op.add_column("versions", sa.Column("chosen", sa.Boolean()))
    op.add_column("versions", sa.Column("held", sa.Text()))
