"""A page that shows what does not work fails its test."""

from pathlib import Path

import pytest

from tests.documents import blocks, run_page


def run(folder: Path, text: str) -> int:
    page = folder / "page.md"
    page.write_text(text)
    return run_page(page, folder, environment={}, replace={"there": "here"})


def test_blocks_that_work_are_run_and_those_that_are_shown_are_not(tmp_path: Path) -> None:
    text = """
<!-- runs -->
```python
number = 1
```
<!-- runs -->
```python
assert number == 1
```
<!-- shown: it would fail -->
```sh
false
```
<!-- file note.txt.sh -->
```sh
echo there
```
<!-- runs -->
```sh
test "$(sh note.txt.sh)" = here
```
"""
    assert run(tmp_path, text) == 3


@pytest.mark.parametrize(
    "block",
    ["```python\n1 / 0\n```", "```sh\nfalse\ntrue\n```", "```sh\nfalse | true\n```", "```python\nassert (\n```"],
)
def test_a_block_that_breaks_fails(tmp_path: Path, block: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:2"):
        run(tmp_path, f"<!-- runs -->\n{block}\n")


def test_a_failing_command_tells_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="what went wrong"):
        run(tmp_path, "<!-- runs -->\n```sh\necho what went wrong >&2; exit 3\n```\n")


def test_a_block_that_runs_until_it_prints_something_is_stopped_then(tmp_path: Path) -> None:
    assert run(tmp_path, '<!-- runs until "ready" -->\n```sh\necho is ready; exec sleep 1000\n```\n') == 1


def test_a_block_that_ends_without_printing_it_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="never printed 'ready'"):
        run(tmp_path, '<!-- runs until "ready" -->\n```sh\necho something else\n```\n')


def test_a_block_that_fails_while_it_stops_fails(tmp_path: Path) -> None:
    code = "sleep 1000 & trap 'kill $! || true; exit 5' INT; echo ready; wait"
    with pytest.raises(AssertionError, match="ended with 5"):
        run(tmp_path, f'<!-- runs until "ready" -->\n```sh\n{code}\n```\n')


@pytest.mark.parametrize("above", ["", "<!-- run -->", "<!-- shown -->", "Some text."])
def test_a_block_that_does_not_say_whether_it_runs_is_refused(tmp_path: Path, above: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{above}\n```python\npass\n```\n")
    with pytest.raises(AssertionError, match="does not say whether it runs"):
        blocks(page)


def test_a_mark_holds_for_one_block_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- runs -->\n```sh\ntrue\n```\n```sh\ntrue\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:5"):
        blocks(page)


def test_a_block_of_an_unknown_language_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ ls\n```\n")
    with pytest.raises(AssertionError, match="console"):
        blocks(page)
