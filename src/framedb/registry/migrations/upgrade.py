"""Bringing the registry's tables to this release."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from framedb.errors import StoreError
from framedb.registry.engine import name_of, reading
from framedb.registry.exclusive import exclusively

VERSION_TABLE = "registry_version"
"""Where the database says which step it is at. Not Alembic's default name: other programs may share the database."""


HEAD = "0003"
"""The last step of this release."""


def upgrade(engine: Engine) -> None:
    """Make the registry's tables, or bring older ones to this release. Any number of processes may do it at once.

    Raises StoreError when the tables are of a newer release than this one.
    """
    if _version(engine) == HEAD:
        return
    from alembic import command  # half a second to load, and a node that starts again need not
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with exclusively(engine, "framedb-registry") as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as exc:
            raise StoreError(
                f"{name_of(engine)} was made by another release of FrameDB ({exc}): install that one, or a newer one"
            ) from exc


def _version(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
        return found
