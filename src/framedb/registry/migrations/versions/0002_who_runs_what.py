"""Which installation runs a cluster or a persistent instance, the settings of sentinels, and drops without a store."""

import sqlalchemy as sa
from alembic import op

from framedb.registry import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns. Those that are there stay: a MySQL server keeps the first ones of a step that failed later on."""
    _add("clusters", sa.Column("installation", types.name(64)))
    _add("clusters", sa.Column("sentinel_settings", types.Document()))
    _add("persistent_instances", sa.Column("installation", types.name(64)))
    _add("sources", sa.Column("drops", types.Document()))


def _add(table: str, column: sa.Column[object]) -> None:
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}
    if column.name not in known:
        op.add_column(table, column)
