"""A form that carries a file (`multipart/form-data`), part by part, as it comes; nothing of it is kept."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from framedb.errors import InvalidInputError

_MOST_PARTS = 64
_MOST_TEXT_BYTES = 64 * 1024
_UNREADABLE = "the form cannot be read ({}): send it as multipart/form-data, as `curl -F` does"


@dataclass(slots=True)
class Part:
    """A field of the form. What is in it is to be read before the next one is asked for."""

    name: str
    filename: str | None
    """What the sender calls the file: a text for people, never a path. None: no file."""
    pieces: Iterator[bytes] = field(repr=False)
    """What is in it, as it comes."""

    def text(self) -> str:
        """What is in it, as text. Raises InvalidInputError for too much, or no UTF-8."""
        data = bytearray()
        for piece in self.pieces:
            data += piece
            if len(data) > _MOST_TEXT_BYTES:
                raise InvalidInputError(f"the field {self.name!r} is longer than {_MOST_TEXT_BYTES} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise InvalidInputError(f"the field {self.name!r} is not valid UTF-8") from exc


def parts(chunks: Iterable[bytes], content_type: str) -> Iterator[Part]:
    """The parts of a form in their order. Raises InvalidInputError for what is no form, or the beginning of one."""
    events = _events(chunks, content_type)
    for number, event in enumerate(_headers(events)):
        if number == _MOST_PARTS:
            raise InvalidInputError(f"the form has more than {_MOST_PARTS} fields")
        disposition = {name: value.decode("utf-8", "replace") for name, value in _options(event).items()}
        pieces = _content(events)
        yield Part(disposition.get(b"name", ""), disposition.get(b"filename"), pieces)
        for _ in pieces:  # what its reader left
            pass


_Event = tuple[str, bytes]
_END_OF_PART = ("part_end", b"")


def _headers(events: Iterator[_Event]) -> Iterator[bytes]:
    """The Content-Disposition of each part, once its headers are in."""
    name = value = disposition = b""
    for kind, data in events:
        if kind == "part_begin":
            name = value = disposition = b""
        elif kind == "header_field":
            name += data
        elif kind == "header_value":
            value += data
        elif kind == "header_end":
            if name.lower() == b"content-disposition":
                disposition = value
            name = value = b""
        elif kind == "headers_finished":
            yield disposition


def _content(events: Iterator[_Event]) -> Iterator[bytes]:
    for event in events:
        if event == _END_OF_PART:
            return
        yield event[1]


def _options(disposition: bytes) -> dict[bytes, bytes]:
    return parse_options_header(disposition)[1]


def _events(chunks: Iterable[bytes], content_type: str) -> Iterator[_Event]:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise InvalidInputError(_UNREADABLE.format("no boundary"))
    seen: deque[_Event] = deque()
    is_whole = False

    def data(kind: str, chunk: bytes, start: int, end: int) -> None:
        seen.append((kind, chunk[start:end]))

    def finished() -> None:
        nonlocal is_whole
        is_whole = True

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: seen.append(("part_begin", b"")),
                "on_part_data": lambda chunk, start, end: data("part_data", chunk, start, end),
                "on_part_end": lambda: seen.append(_END_OF_PART),
                "on_header_field": lambda chunk, start, end: data("header_field", chunk, start, end),
                "on_header_value": lambda chunk, start, end: data("header_value", chunk, start, end),
                "on_header_end": lambda: seen.append(("header_end", b"")),
                "on_headers_finished": lambda: seen.append(("headers_finished", b"")),
                "on_end": finished,
            },
        )
        for chunk in chunks:
            parser.write(chunk)
            while seen:
                yield seen.popleft()
        parser.finalize()
    except FormParserError as exc:
        raise InvalidInputError(_UNREADABLE.format(str(exc)[:100])) from exc
    if not is_whole:
        raise InvalidInputError(_UNREADABLE.format("it ends in the middle"))
