"""`/`: the page, and what it is made of."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from framedb import __version__
from framedb.errors import NotFoundError
from framedb.extraction.jobs import Jobs
from framedb.server.conditions import entity_tag, is_unmodified
from framedb.server.ui.assets import Asset, read_assets
from framedb.server.ui.first_jobs import BLANK, first_jobs, name_of

Part = Literal["jobs", "search", "cameras", "sources", "clusters"]
"""A section of the page."""
PARTS: tuple[Part, ...] = get_args(Part)
"""Every section, in the order they stand in."""

ASSETS = "/ui"
"""Where the page's own files are."""

# Nothing of the page comes from elsewhere or is written into it: what a name or an error message holds can run nowhere.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Cache-Control": "private, no-cache",  # may be kept, and is asked for again with its ETag
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def ui_router(jobs: Jobs, parts: Iterable[Part] = PARTS) -> APIRouter:
    """The page with these sections, and its files. Each section needs the routes of that name beside it.

    The newest of `jobs` stand in the page as it is handed out: nothing moves when they are asked for again, and they are
    there for who runs no scripts.
    """
    template = _environment().get_template("page.html")
    fixed: Mapping[str, Any] = {"parts": tuple(parts), "version": __version__, "assets": ASSETS, "blank": BLANK}
    assets = read_assets()
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    def home(request: Request) -> Response:
        """The web page."""
        page = Asset.of(template.render(fixed, first=first_jobs(jobs)).encode(), "text/html; charset=utf-8")
        return _sent(request, page, {"Content-Security-Policy": CONTENT_SECURITY_POLICY})

    @router.api_route(f"{ASSETS}/{{name}}", methods=["GET", "HEAD"])
    def asset(request: Request, name: str) -> Response:
        """A style, script or picture of the page."""
        if name not in assets:
            raise NotFoundError(f"the page has no file {name!r}")
        return _sent(request, assets[name], {})

    return router


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("framedb.server.ui"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["name"] = name_of
    return environment


def _sent(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    told = {**_HEADERS, **headers, "ETag": entity_tag(asset.version)}
    if is_unmodified(request.headers, asset.version):
        return Response(status_code=304, headers=told)
    return Response(asset.data, headers=told, media_type=asset.media_type)
