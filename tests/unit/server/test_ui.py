"""The web page as it is handed out: whole, of nothing but its own files, and with no script that could be put into it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from fastapi import FastAPI

from framedb.server.service import new_service, secured
from framedb.server.ui import PARTS, ui_router
from tests.live import Live, live

STATIC = files("framedb.server.ui") / "static"
TEMPLATES = files("framedb.server.ui") / "templates"


def with_page(*, token: str | None = None) -> FastAPI:
    """A service that has the page."""
    app = new_service("A service", "For tests.", token=token)
    app.include_router(ui_router(), dependencies=secured(token))
    return app


@pytest.fixture(scope="module")
def served() -> Iterator[Live]:
    """The service."""
    with live(with_page()) as service:
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


def test_with_a_token_the_page_is_closed_too() -> None:
    with live(with_page(token="the token")) as closed:
        for path in ("/", "/ui/page.js"):
            refused = closed.request("GET", path)
            assert refused.status == 401
            # Chromium asks for a password only where Basic stands in a header of its own.
            assert any(each.startswith("Basic ") for each in refused.headers.getlist("WWW-Authenticate"))
            assert closed.request("GET", path, headers={"Authorization": "Bearer the token"}).status == 200


def test_a_service_that_has_a_part_of_the_routes_shows_that_part_of_the_page() -> None:
    app = new_service("A service", "For tests.", token=None)
    app.include_router(ui_router(["jobs"]))
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


def test_scripts_ask_for_elements_that_a_template_has() -> None:
    markup = (
        "".join(each.read_text() for each in (TEMPLATES / "sections").iterdir()) + (TEMPLATES / "page.html").read_text()
    )
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
