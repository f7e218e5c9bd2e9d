"""The steps from an empty database to the tables of this release, one after the other, never branching.

Here: `upgrade`, and Alembic's files. Not here: what the tables mean (`registry.tables`).
"""

from framedb.registry.migrations.upgrade import upgrade

__all__ = ["upgrade"]
