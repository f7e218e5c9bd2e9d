"""Column types that mean the same on SQLite and on servers of the MySQL protocol."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from framedb.errors import InvalidInputError
from framedb.frame import MAX_KEY_BYTES, from_microseconds, to_microseconds


def name(length: int) -> "Name":
    """An ASCII name, compared byte for byte (MySQL's own default takes `Gate` and `gate` for the same)."""
    return Name(length)


class Name(TypeDecorator[str]):
    """An ASCII name of at most so many characters."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """With the collation that compares bytes."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARCHAR(self.length, charset="ascii", collation="ascii_bin"))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """The name. Raises InvalidInputError for one that is not ASCII: MariaDB would not even compare it."""
        if value is not None and not value.isascii():
            raise InvalidInputError(f"{value[:60]!r} is no name: use ASCII letters, digits and signs")
        return value


class Key(TypeDecorator[str]):
    """A key: text for the program, its UTF-8 bytes in the database, so that it is compared and sorted byte for byte."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """VARBINARY where an index needs to know the length."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARBINARY(MAX_KEY_BYTES))
        return dialect.type_descriptor(LargeBinary())

    def process_bind_param(self, value: str | bytes | None, dialect: Dialect) -> bytes | None:
        """Text, or bytes that bound a range of keys and need not be text."""
        return value.encode() if isinstance(value, str) else value

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """The key as text."""
        return None if value is None else bytes(value).decode()


class Moment(TypeDecorator[datetime]):
    """A time in UTC, as BIGINT microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Microseconds. Raises InvalidFrameError for a time without a zone."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The time, in UTC."""
        return None if value is None else from_microseconds(value)


class Document(TypeDecorator[Any]):
    """Anything JSON can hold, as text: databases disagree about their own JSON types."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Up to 16 MiB, rather than MySQL's 64 KiB of plain TEXT."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Compact JSON."""
        return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """What was stored."""
        return None if value is None else json.loads(value)


class DatabaseNow(FunctionElement[int]):
    """The database's own clock, in microseconds since 1970: one clock for all who share the database."""

    inherit_cache = True
    name = "database_now"
    type = BigInteger()


@compiles(DatabaseNow)
def _sqlite_now(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    # 2440587.5 is the Julian day of 1970; exact to the millisecond, which is what SQLite's clock counts in.
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(DatabaseNow, "mysql", "mariadb")
def _mysql_now(element: DatabaseNow, compiler: SQLCompiler, **options: Any) -> str:
    # NOW is fixed for a statement, so that an index can be searched with it; sessions are in UTC (see `engine`).
    return "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
