"""The reference pages name what there is, and nothing else; links lead somewhere."""

import builtins
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from framedb import errors
from framedb.cli.main import program
from framedb.config import Settings
from tests.documents import PAGES, ROOT, anchors, links, sections

REFERENCE = ROOT / "docs" / "reference"


def commands() -> dict[str, Any]:
    """Every command by its full name."""
    found: dict[str, Any] = {}

    def walk(name: str, command: Any) -> None:
        if subcommands := getattr(command, "commands", None):
            for each, sub in subcommands.items():
                walk(f"{name} {each}", sub)
        else:
            found[name] = command

    walk("framedb", typer.main.get_command(program()))
    return found


def settings() -> dict[str, Any]:
    """Name and default of every setting."""
    return {str(field.alias): field.default for field in Settings.model_fields.values()}


def test_the_page_of_settings_names_each_with_its_default_and_no_other() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == set(settings())
    for name, default in rows:
        wanted = settings()[name]
        assert default.split(" (")[0].strip() == ("none" if wanted is None else f"`{wanted}`"), name


def test_no_setting_has_a_secret_for_a_default() -> None:
    assert not any(isinstance(default, SecretStr) for default in settings().values())


@pytest.mark.parametrize("name", commands())
def test_the_page_of_commands_names_every_argument_option_and_default(name: str) -> None:
    text = sections(REFERENCE / "cli.md")[f"`{name}`"]
    command = commands()[name]
    given = [parameter for parameter in command.params if parameter.name != "help"]
    for parameter in given:
        if parameter.param_type_name == "argument":
            assert f"`{parameter.name.upper()}" in text, parameter.name
            continue
        for spelling in (*parameter.opts, *parameter.secondary_opts):
            assert f"`{spelling}`" in text or f"`{spelling} " in text, spelling
        if parameter.default not in (None, False, True):
            row = next(line for line in text.splitlines() if f"`{parameter.opts[0]}" in line)
            assert f"`{parameter.default}`" in row or f"`{parameter.default:g}`" in row, parameter.opts
    known = {spelling for parameter in given for spelling in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)) <= known


def test_the_page_of_commands_names_no_other_command() -> None:
    shown = {title.strip("`") for title in sections(REFERENCE / "cli.md") if title.startswith("`framedb")}
    assert shown == set(commands())


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_sentence_of_help_and_an_example_of_itself(name: str) -> None:
    command = commands()[name]
    assert command.help
    assert f"Example: {name}" in command.epilog


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} links to {link}"
        assert path.is_relative_to(ROOT), f"{page.name} links out of the repository: {link}"
        if fragment:
            assert fragment in anchors(path), f"{page.name} links to {link}, which is no heading there"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        inside = [link.partition("#")[0] for link in links(page) if "://" not in link]
        waiting += [path for each in inside if (path := (page.parent / each).resolve()).suffix == ".md"]
    assert set(PAGES) <= seen


def test_a_link_that_leads_nowhere_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title: of `code`\n[one](there.md) ![two](it.svg#x) `[no](link)`\n```sh\n[no](link)\n```\n")
    assert links(page) == ["there.md", "it.svg#x"]
    assert anchors(page) == {"a-title-of-code"}


def test_every_error_a_page_names_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"`([A-Z]\w+Error)`", page.read_text()):
            assert hasattr(errors, name) or hasattr(builtins, name), f"{page.name} names {name}"
