"""Glob patterns, as they stand for namespaces and names.

`*` is any run of characters, `/` among them, `?` one character, `[a-z]` one of a class, `[!a]` or `[^a]` one that is not in it,
`{a,b}` either, nested too; `\\x` is x itself. `**/` at the beginning or after a `/` is any number of folders, none included.

A pattern becomes a regular expression that never goes back on a `*`: what stands between two stars has one length, so the first
place where it fits is as good as any later one. Patterns that are hard on other matchers (`*a*a*a*a*b`) take one pass here.
That is why `{a,b}` is written out, each alternative a pattern of its own: their lengths may differ.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, NoReturn

from framedb.errors import InvalidInputError

MAX_LENGTH = 1024
"""Characters of a pattern with wildcards: as many as the key of a frame has bytes."""
MAX_WRITTEN_OUT = 8192
"""Characters of all its alternatives: without a bound, 20 times `{a,b}` would be a million patterns."""

_SHOWN = 80  # characters of a pattern in a message
_CACHED = 256  # the largest take some hundred KB, compiled

_SPECIAL = re.compile(r"[*?\[{}\\]")
_LITERAL = re.compile(r"(?:[^*?\[{}\\]++|\\.)*+", re.DOTALL)  # what stands for itself, once unescaped
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Glob(NamedTuple):
    """A pattern, compiled."""

    literal: str | None
    """The one text it matches, if it has no wildcards."""
    matches: Callable[[str], object]
    """Something true for a text that it matches as a whole."""


EVERYTHING = Glob(None, lambda text: True)
"""What `*` is."""


def glob(pattern: str | None) -> Glob:
    """The pattern, compiled; None is `*`. Raises InvalidInputError if it is no pattern, or stands for too many."""
    if pattern is None:
        return EVERYTHING
    return _compiled(pattern) if _SPECIAL.search(pattern) else Glob(pattern, pattern.__eq__)


@lru_cache(_CACHED)
def _compiled(pattern: str) -> Glob:
    if len(pattern) > MAX_LENGTH:
        raise InvalidInputError(
            f"the pattern {pattern[:_SHOWN]!r}... has {len(pattern)} characters: with wildcards it may have {MAX_LENGTH}"
        )
    if _LITERAL.fullmatch(pattern):
        literal = _ESCAPED.sub(r"\1", pattern)
        return Glob(literal, literal.__eq__)
    alternatives = _Parser(pattern).alternatives()
    if alternatives == [[_STAR]]:
        return EVERYTHING
    return Glob(None, re.compile("|".join(map(_expression, alternatives)), re.DOTALL).fullmatch)


# Pieces of an alternative: regular expressions of one character each, and these two.
_STAR = ".*"
_FOLDER = "(?<![^/])"  # no character: a place where a folder's name begins


def _expression(alternative: list[str]) -> str:
    """Its regular expression: what stands between two stars is looked for once, and then stays where it was found."""
    between = [""]
    for piece in alternative:
        if piece == _STAR:
            between.append("")
        else:
            between[-1] += piece
    first, *middle, last = between if len(between) > 1 else (between[0], None)
    if last is None:
        return first
    return first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + _STAR + last


class _Parser:
    """Reads a pattern from left to right, its alternatives written out as it goes."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._alternatives: list[list[str]] = [[]]
        self._groups: list[_Group] = []

    def alternatives(self) -> list[list[str]]:
        """All of them."""
        while self._at < len(self._pattern):
            self._one()
        if self._groups:
            self._refuse("a { without its }")
        self._check_size(sum(map(len, self._alternatives)))
        return self._alternatives

    def _one(self) -> None:
        character = self._pattern[self._at]
        self._at += 1
        match character:
            case "*":
                self._stars()
            case "?":
                self._append(".")
            case "[":
                self._append(self._class())
            case "{":
                self._groups.append(_Group(self._alternatives, []))
                self._alternatives = [[]]
            case "," if self._groups:
                self._groups[-1].found.extend(self._alternatives)
                self._alternatives = [[]]
            case "}":
                self._close()
            case "\\":
                if self._at == len(self._pattern):
                    self._refuse("a \\ with nothing after it")
                self._append(re.escape(self._pattern[self._at]))
                self._at += 1
            case _:
                self._append(re.escape(character))

    def _append(self, *pieces: str) -> None:
        for alternative in self._alternatives:
            alternative.extend(pieces)

    def _stars(self) -> None:
        begin = self._at - 1
        while self._pattern.startswith("*", self._at):
            self._at += 1
        if self._at - begin == 2 and self._begins_a_folder(begin) and self._pattern.startswith("/", self._at):
            self._at += 1
            self._append(_STAR, _FOLDER)
        else:
            self._append(_STAR)

    def _begins_a_folder(self, at: int) -> bool:
        before = self._pattern[at - 1] if at > 0 else "/"
        return before == "/" or (before in "{," and bool(self._groups))

    def _close(self) -> None:
        if not self._groups:
            self._refuse("a } without its {: write \\} for the character")
        before, found = self._groups.pop()
        # As globset has it, Savant's matcher: an alternative of nothing does not count, unless there is no other.
        chosen = [alternative for alternative in (*found, *self._alternatives) if alternative] or [[]]
        self._check_size(len(before) * sum(map(len, chosen)) + len(chosen) * sum(map(len, before)))
        self._alternatives = [[*head, *tail] for head in before for tail in chosen]

    def _class(self) -> str:
        negated = self._pattern.startswith(("!", "^"), self._at)
        begin = self._at + negated
        end = self._pattern.find("]", begin + 1)
        if end < 0:
            self._refuse("a [ without its ]: write \\[ for the character")
        self._at = end + 1
        return f"[{'^' * negated}{self._members(self._pattern[begin:end])}]"

    def _members(self, members: str) -> str:
        def escaped(found: re.Match[str]) -> str:
            first, last = found["first"], found["last"]
            if last is None:
                return re.escape(first)
            if last < first:
                self._refuse(f"the class {first}-{last}, which runs backwards")
            return f"{re.escape(first)}-{re.escape(last)}"

        return _MEMBER.sub(escaped, members)

    def _check_size(self, size: int) -> None:
        if size > MAX_WRITTEN_OUT:
            self._refuse(f"alternatives of more than {MAX_WRITTEN_OUT} characters in all: search for less at a time")

    def _refuse(self, what: str) -> NoReturn:
        shown = self._pattern if len(self._pattern) <= _SHOWN else f"{self._pattern[:_SHOWN]}..."
        raise InvalidInputError(f"the pattern {shown!r} has {what}")


class _Group(NamedTuple):
    """A { that is not closed yet."""

    before: list[list[str]]
    """The alternatives of what stands before it."""
    found: list[list[str]]
    """Its own so far."""


_MEMBER = re.compile("(?P<first>.)(?:-(?P<last>.))?", re.DOTALL)
