"""What a step adds where it is missing: a MySQL server keeps the first changes of a step that failed later on."""

import sqlalchemy as sa
from alembic import op


def add_column(table: str, column: sa.Column[object]) -> None:
    """The column, if the table has none of its name."""
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}
    if column.name not in known:
        op.add_column(table, column)


def create_index(name: str, table: str, columns: list[str]) -> None:
    """The index, if the table has none of its name. MySQL has no IF NOT EXISTS for one."""
    known = {each["name"] for each in sa.inspect(op.get_bind()).get_indexes(table)}
    if name not in known:
        op.create_index(name, table, columns)
