"""The web page as it is handed out: whole, of nothing but its own files, and with no script that could be put into it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi import FastAPI

from framedb.extraction.jobs import Jobs
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource
from framedb.registry import open_engine, sqlite_url, upgrade
from framedb.server.service import new_service, secured
from framedb.server.ui import PARTS, ui_router
from framedb.stores.files import FrameFolder
from tests.live import Live, live

STATIC = files("framedb.server.ui") / "static"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """None yet."""
    folder = tmp_path_factory.mktemp("jobs")
    registry = open_engine(sqlite_url(folder / "metadata.db"))
    upgrade(registry)
    yield Jobs(registry, FrameFolder(folder / "frames"))
    registry.dispose()


def with_page(jobs: Jobs, *, token: str | None = None) -> FastAPI:
    """A service that has the page."""
    app = new_service("A service", "For tests.", token=token)
    app.include_router(ui_router(jobs), dependencies=secured(token))
    return app


@pytest.fixture(scope="module")
def served(jobs: Jobs) -> Iterator[Live]:
    """The service."""
    with live(with_page(jobs)) as service:
        yield service


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and what scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.inline += data


def scripts() -> dict[str, str]:
    """Every script by its name."""
    return {each.name: each.read_text() for each in STATIC.iterdir() if each.name.endswith(".js")}


def test_the_page_is_called_what_it_was_always_called(served: Live) -> None:
    answer = served.request("GET", "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Video Frame Extraction System" in answer.data.decode()


def test_everything_the_page_loads_is_its_own_and_is_there(served: Live) -> None:
    tags = Tags(served.request("GET", "/").data.decode()).found
    loaded = [each["href"] for tag, each in tags if tag == "link"] + [each["src"] for _, each in tags if "src" in each]
    assert len(loaded) >= 4
    for path in loaded:
        assert path is not None
        assert path.startswith("/ui/")
        assert served.request("GET", path).status == 200, path


def test_no_script_or_style_stands_in_the_page_itself(served: Live) -> None:
    answer = served.request("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    tags = Tags(answer.data.decode())
    assert tags.inline.strip() == ""
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)


def test_each_file_has_the_type_that_a_browser_insists_on(served: Live) -> None:
    for name, kind in (("page.js", "text/javascript"), ("base.css", "text/css"), ("mark.svg", "image/svg+xml")):
        answer = served.request("GET", f"/ui/{name}")
        assert answer.headers["Content-Type"].startswith(kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_browser_has_already_is_not_sent_again(served: Live) -> None:
    for path in ("/", "/ui/page.js"):
        tag = served.request("GET", path).headers["ETag"]
        again = served.request("GET", path, headers={"If-None-Match": tag})
        assert (again.status, again.data) == (304, b"")
        assert served.request("HEAD", path).headers["ETag"] == tag


@pytest.mark.parametrize(
    "name", ["no-such.js", "..%2Fpage.py", "%2e%2e/page.py", "page.py", "..%5cpage.py", "%2Fetc%2Fpasswd"]
)
def test_only_the_files_of_the_page_are_handed_out(served: Live, name: str) -> None:
    assert served.request("GET", f"/ui/{name}").status == 404


def test_with_a_token_the_page_is_closed_too(jobs: Jobs) -> None:
    with live(with_page(jobs, token="the token")) as closed:
        for path in ("/", "/ui/page.js"):
            refused = closed.request("GET", path)
            assert refused.status == 401
            # Chromium asks for a password only where Basic stands in a header of its own.
            assert any(each.startswith("Basic ") for each in refused.headers.getlist("WWW-Authenticate"))
            assert closed.request("GET", path, headers={"Authorization": "Bearer the token"}).status == 200


def test_a_service_that_has_a_part_of_the_routes_shows_that_part_of_the_page(jobs: Jobs) -> None:
    app = new_service("A service", "For tests.", token=None)
    app.include_router(ui_router(jobs, ["jobs"]))
    with live(app) as service:
        page = service.request("GET", "/").data.decode()
    shown = {each.get("id") for tag, each in Tags(page).found if tag == "section"}
    assert shown == {"jobs"}
    assert '"#cameras"' not in page


def test_the_page_shows_every_part_once(served: Live) -> None:
    tags = Tags(served.request("GET", "/").data.decode()).found
    assert [each.get("id") for tag, each in tags if tag == "section"] == list(PARTS)
    ids = [each["id"] for _, each in tags if "id" in each]
    assert len(ids) == len(set(ids))


def test_scripts_import_what_there_is() -> None:
    known = scripts()
    for name, text in known.items():
        for names, path in re.findall(r'^import \{ ([^}]+) \} from "\./([^"]+)";', text, re.MULTILINE):
            for each in names.split(", "):
                assert re.search(rf"^export (async )?(function|class|const) {each}\b", known[path], re.MULTILINE), (
                    name,
                    each,
                )
                assert len(re.findall(rf"\b{each}\b", text)) > 1, f"{name} imports {each} and does not use it"


def test_scripts_ask_for_elements_that_the_page_has(served: Live) -> None:
    markup = served.request("GET", "/").data.decode()
    asked = {name for text in scripts().values() for name in re.findall(r'\bpart\([^()]+, "([a-z-]+)"\)', text)}
    assert len(asked) > 20
    for name in asked:
        assert re.search(rf"\sdata-{name}[\s=>]", markup), name
    for text in scripts().values():
        for identifier in re.findall(r'(?:getElementById\(|copy\(|querySelector\()"#?([a-z-]+)"\)', text):
            assert f'id="{identifier}"' in markup or f"<{identifier}" in markup, identifier


def test_scripts_never_make_markup_of_text() -> None:
    for name, text in scripts().items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), name


def test_the_newest_jobs_stand_in_the_page_as_texts(tmp_path: Path) -> None:
    registry = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(registry)
    jobs = Jobs(registry, FrameFolder(tmp_path / "frames"))
    with live(with_page(jobs)) as service:
        assert shown_jobs(service) == []
        empty = service.request("GET", "/").headers["ETag"]
        videos = [VideoSource("file", f"/videos/{name}", name) for name in ("<b>evil</b>.mp4", *map(str, range(20)))]
        submitted = [jobs.submit(video, Selection(interval=5.0)) for video in videos]
        assert service.request("GET", "/", headers={"If-None-Match": empty}).status == 200
        assert shown_jobs(service) == submitted[:0:-1]
        for job in submitted[1:]:
            jobs.cancel(job)
        page = service.request("GET", "/").data.decode()
        assert "&lt;b&gt;evil" in page
        assert "<b>" not in page
    registry.dispose()


def shown_jobs(service: Live) -> list[str | None]:
    """Of the page, in its order."""
    return [each["data-key"] for _, each in Tags(service.request("GET", "/").data.decode()).found if "data-key" in each]


def test_a_registry_that_does_not_answer_takes_no_page_away(tmp_path: Path) -> None:
    registry = open_engine(sqlite_url(tmp_path / "metadata.db"))  # without its tables
    with live(with_page(Jobs(registry, FrameFolder(tmp_path / "frames")))) as service:
        answer = service.request("GET", "/")
        assert answer.status == 200
        assert re.search(r"<p[^>]* data-empty hidden>No jobs yet", answer.data.decode())
    registry.dispose()
