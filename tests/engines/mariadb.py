"""A real MariaDB, from Debian's packages, with the limits it comes with."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from . import free_port

_USER = "framedb"
_PASSWORD = "test/p@ss:word"  # with what a URL must escape
_PASSWORD_IN_URL = "test%2Fp%40ss%3Aword"


@dataclass(frozen=True, slots=True)
class MariaDB:
    """A running server."""

    port: int
    socket: Path
    """Where root may come in without a password."""

    def url(self, database: str) -> str:
        """The URL of a database, as a user would write it."""
        return f"mysql://{_USER}:{_PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> None:
        """Run statements as root."""
        with (
            pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def away(self, url: str) -> Iterator[None]:
        """Nobody can use the database of the URL meanwhile: connections end, and the password is another one."""
        self.execute(f"ALTER USER '{_USER}'@'%' IDENTIFIED BY 'another one'")
        self.cut(url)
        try:
            yield
        finally:
            self.execute(f"ALTER USER '{_USER}'@'%' IDENTIFIED BY '{_PASSWORD}'")

    def cut(self, url: str) -> None:
        """End every connection to the database of the URL."""
        query = "SELECT id FROM information_schema.processlist WHERE db = %s"
        with (
            pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, (url.rpartition("/")[2],))
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {int(number)}")


@contextmanager
def running_mariadb() -> Iterator[MariaDB]:
    """A MariaDB on a free loopback port, in a folder of its own that goes with it."""
    # Not pytest's temporary folder: its parents are closed to other users, and as root the server runs as `mysql`.
    folder = Path(tempfile.mkdtemp(prefix="framedb-mariadb-"))
    owner = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    try:
        shutil.chown(folder, owner)
        server = MariaDB(free_port(), folder / "s.sock")
        data, log = folder / "data", folder / "log"
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"}
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--user={owner}", f"--datadir={data}",
             "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, env=environment, capture_output=True,
        )  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--user={owner}", f"--datadir={data}", f"--socket={server.socket}",
                 f"--port={server.port}", "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}",
                 "--skip-name-resolve"],
                env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            _wait_until_ready(server, process, log)
            server.execute(
                f"CREATE USER '{_USER}'@'%' IDENTIFIED BY '{_PASSWORD}'", f"GRANT ALL ON *.* TO '{_USER}'@'%'"
            )
            yield server
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _wait_until_ready(server: MariaDB, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not _answers(server):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"MariaDB did not start: {log.read_text()}")
        time.sleep(0.05)


def _answers(server: MariaDB) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:  # PyMySQL would leave its own socket open when it is refused
        if probe.connect_ex(str(server.socket)) != 0:
            return False
    try:
        server.execute("SELECT 1")
    except pymysql.MySQLError:
        return False
    return True


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """One MariaDB for the session: use `mariadb_url` for an empty database."""
    with running_mariadb() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The URL of an empty database, for one test."""
    database = f"test_{secrets.token_hex(6)}"
    mariadb.execute(f"CREATE DATABASE {database}")
    yield mariadb.url(database)
    mariadb.execute(f"DROP DATABASE {database}")
