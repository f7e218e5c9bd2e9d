"""Which installation runs a cluster or a persistent instance, the settings of sentinels, and drops without a store."""

import sqlalchemy as sa

from framedb.registry import types
from framedb.registry.migrations.missing import add_column

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns. Those that are there stay: a MySQL server keeps the first ones of a step that failed later on."""
    add_column("clusters", sa.Column("installation", types.name(64)))
    add_column("clusters", sa.Column("sentinel_settings", types.Document()))
    add_column("persistent_instances", sa.Column("installation", types.name(64)))
    add_column("sources", sa.Column("drops", types.Document()))
