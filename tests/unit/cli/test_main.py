"""The `framedb` program."""

import subprocess
import sys

from typer.testing import CliRunner

from framedb import __version__
from framedb.cli.main import program


def test_a_command_imports_what_it_needs_alone() -> None:
    script = (
        "import sys; sys.argv = ['framedb', 'extract', '--help']\n"
        "from framedb.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'framedb.config', 'framedb.attributes', 'sqlalchemy', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "Write frames of a video" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_one_command_is_the_same_by_itself_and_among_all() -> None:
    alone, among_all = (CliRunner().invoke(each, ["kvs", "set", "--help"]) for each in (program("kvs"), program()))
    assert alone.exit_code == 0
    assert alone.output == among_all.output


def test_its_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(program("ls"), ["--version"]).output == f"framedb {__version__}\n"


def test_a_word_that_is_no_command_is_said() -> None:
    done = CliRunner().invoke(program(), ["nonsense"])
    assert done.exit_code == 2
    assert "No such command 'nonsense'" in done.output
