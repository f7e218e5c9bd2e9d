"""Run by Alembic: the migration happens on the connection, and in the transaction, of whoever called `upgrade`."""

from alembic import context

from framedb.registry.migrations.upgrade import VERSION_TABLE
from framedb.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
