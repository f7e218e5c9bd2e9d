"""Names in paths: the raw path is split first, and each part decoded then, so that `%2F` may stand inside a name."""

from urllib.parse import unquote_to_bytes

from framedb.errors import InvalidInputError


def decoded(part: bytes) -> str:
    """The text of one part of a raw path; a `+` is a plus. Raises InvalidInputError for what is not UTF-8."""
    try:
        return (unquote_to_bytes(part) if b"%" in part else part).decode()
    except UnicodeDecodeError as exc:
        raise InvalidInputError(
            f"{part.decode('latin-1')!r} is not valid UTF-8: names are text, and percent-encoded in a path"
        ) from exc
