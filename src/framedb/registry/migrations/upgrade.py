"""Bringing the registry's tables to this release."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from framedb.errors import StoreError
from framedb.registry.engine import name_of
from framedb.registry.exclusive import exclusively

VERSION_TABLE = "registry_version"
"""Where the database says which step it is at. Not Alembic's default name: other programs may share the database."""


def upgrade(engine: Engine) -> None:
    """Make the registry's tables, or bring older ones to this release. Any number of processes may do it at once.

    Raises StoreError when the tables are of a newer release than this one.
    """
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
