"""Patterns match what they say, and none takes long."""

import re
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framedb.attributes.globs import EVERYTHING, MAX_LENGTH, glob
from framedb.errors import InvalidInputError

MATCHES = [
    ("*", ["", "a", "a/b", "\n", "ü😀"], []),
    ("**", ["", "a", "a/b"], []),
    ("a*c", ["ac", "abc", "a/b/c", "a\nc"], ["a", "abcd", "xabc", "Ac"]),
    ("a?c", ["abc", "a/c", "a😀c"], ["ac", "abbc"]),
    ("[abc]", ["a", "c"], ["d", "ab", ""]),
    ("[a-cx]", ["a", "b", "c", "x"], ["d", "-"]),
    ("[!a-c]", ["d", "/", "-"], ["a", "b", ""]),
    ("[^a]", ["b", "^", "!"], ["a"]),
    ("[]a]", ["]", "a"], ["b", "]a"]),
    ("[!]]", ["a"], ["]"]),
    ("[a-]", ["a", "-"], ["b"]),
    ("[-a]", ["a", "-"], ["b"]),
    ("[*?]", ["*", "?"], ["a"]),
    (r"[\]", ["\\"], ["]"]),
    ("[{,}]", ["{", ",", "}"], ["a"]),
    ("[[]", ["["], ["]"]),
    ("{a,bc}", ["a", "bc"], ["ab", "a,bc", "{a,bc}"]),
    ("{a,{b,c}d}", ["a", "bd", "cd"], ["b", "ad", "c"]),
    ("x{a,b}{1,2}", ["xa1", "xb2"], ["xa", "x1"]),
    ("{a*,*b}c", ["ac", "axc", "bc", "xbc"], ["c", "xc"]),
    ("{a,}", ["a"], [""]),
    ("x{}y", ["xy"], ["x{}y"]),
    ("x{a,{}}", ["xa"], ["x"]),
    (r"\*", ["*"], ["\\*", "a"]),
    (r"a\{b\}", ["a{b}"], ["ab"]),
    (r"{a\,b,c}", ["a,b", "c"], ["a", "b"]),
    (r"\a", ["a"], ["\\a"]),
    ("a,b]", ["a,b]"], ["a"]),
    ("a.b", ["a.b"], ["axb"]),
    ("**/b", ["b", "a/b", "a/c/b", "/b"], ["ab", "b/", "a/ab"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a//b"], ["ab", "a/xb", "xa/b"]),
    ("a/**", ["a/b", "a/b/c", "a/"], ["a", "ab"]),
    ("**/b/**", ["b/c", "a/b/c"], ["b", "ab/c"]),
    ("**/**/b", ["b", "a/b", "a/c/b"], ["ab"]),
    ("a**/b", ["a/b", "ax/b", "a/x/b"], ["ab"]),
    ("a/**b", ["a/b", "a/xb", "a/x/b"], ["ab"]),
    ("***/b", ["/b", "a/b"], ["b"]),
    ("{x,**/b}", ["x", "b", "a/b"], ["ab", "a/x"]),
    ("[/]**/b", ["//b", "/a/b"], ["/b"]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), MATCHES, ids=[pattern for pattern, _, _ in MATCHES])
def test_a_pattern_matches_what_it_says(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = glob(pattern).matches
    assert [text for text in yes if not matches(text)] == []
    assert [text for text in no if matches(text)] == []


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[a", "[]", "[!]", "[^", "{", "{a", "{a,{b}", "[z-a]", "a}", "}", "{a}}", "a\\"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInputError, match="the pattern"):
        glob(pattern)


def test_without_wildcards_it_is_one_text_and_none_is_everything() -> None:
    assert glob("a-b.c,d]").literal == "a-b.c,d]"
    assert glob(r"a\*\[").literal == "a*["
    assert glob("a*").literal is None
    assert glob(None) is glob("*") is glob("**") is EVERYTHING


def test_a_text_of_any_length_stands_for_itself_but_a_pattern_has_a_bound() -> None:
    assert glob("a" * 100_000).literal == "a" * 100_000
    glob("*" * MAX_LENGTH)
    with pytest.raises(InvalidInputError, match="characters"):
        glob("*" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "pattern", ["{a,b}" * 20, "{a,b,c}*" * 15, "{" * 500 + "a,b" + "}" * 500, "{{a,b},{c,d}}" * 12]
)
def test_a_pattern_that_stands_for_very_many_is_refused_or_answered_but_never_written_out(pattern: str) -> None:
    try:
        assert not glob(pattern).matches("x")
    except InvalidInputError as refused:
        assert len(str(refused)) < 300  # noqa: PT017 - which of both happens depends on the pattern


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a*a*a*a*b", "a" * 1_000_000),
        ("*" + "a*" * 500 + "b", "a" * 100_000),
        ("*" + "?a*" * 300 + "b", "a" * 100_000),
        ("*" + "[a-c]*" * 150 + "b", "a" * 100_000),
        ("**/a/" * 100 + "b", "a/" * 50_000),
        ("{*a,*aa}{*a,*aa}{*a,*aa}{*a,*aa}b", "a" * 100_000),
    ],
    ids=["stars", "many stars", "any", "classes", "folders", "alternatives"],
)
def test_patterns_that_are_hard_on_others_take_one_pass_here(pattern: str, text: str) -> None:
    # Going back on a star would take longer than the universe has: the time limit of all tests is the bound.
    assert not glob(pattern).matches(text)


# An oracle that shares nothing with the matcher: it sees the pattern as its parts, and tries every way.


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Any:
    pass


@dataclass(frozen=True)
class Class:
    members: str
    negated: bool


@dataclass(frozen=True)
class Star:
    pass


@dataclass(frozen=True)
class Either:
    alternatives: "tuple[Parts, ...]"


Part = Text | Any | Class | Star | Either
Parts = tuple[Part, ...]


def written(parts: Parts) -> str:
    return "".join(map(written_part, parts))


def written_part(part: Part) -> str:
    match part:
        case Text(text):
            return re.sub(r"([*?\[{},\\])", r"\\\1", text)
        case Any():
            return "?"
        case Class(_, negated):
            return f"[{'!' * negated}{members(part)}]"
        case Star():
            return "*"
        case Either(alternatives):
            return "{" + ",".join(map(written, alternatives)) + "}"


def members(part: Class) -> str:
    # ] stands first and - last, where they are themselves; ! and ^ do not stand first, where they would negate.
    ordered = "".join(sorted(set(part.members), key=lambda c: (c != "]", c == "-", c in "!^")))
    return "a" + ordered if ordered[0] in "!^" and not part.negated else ordered


def blank(parts: Parts) -> bool:
    """Whether nothing stands there but braces: such an alternative does not count."""
    return all(isinstance(part, Either) and all(map(blank, part.alternatives)) for part in parts)


def naive(parts: Parts, text: str) -> bool:
    @cache
    def ends(parts: Parts, begin: int) -> frozenset[int]:
        if not parts:
            return frozenset({begin})
        return frozenset(end for middle in after(parts[0], begin) for end in ends(parts[1:], middle))

    def after(part: Part, begin: int) -> set[int]:
        match part:
            case Text(literal):
                return {begin + len(literal)} if text.startswith(literal, begin) else set()
            case Any():
                return {begin + 1} if begin < len(text) else set()
            case Class():
                return {begin + 1} if begin < len(text) and (text[begin] in members(part)) != part.negated else set()
            case Star():
                return set(range(begin, len(text) + 1))
            case Either(alternatives):
                counted = [alternative for alternative in alternatives if not blank(alternative)] or [()]
                return {end for alternative in counted for end in ends(alternative, begin)}

    return len(text) in ends(parts, 0)


ALPHABET = "ab*]-!^{,}\\[?.é"
leaves: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, st.text(ALPHABET, min_size=1, max_size=3)),
    st.just(Any()),
    st.just(Star()),
    st.builds(Class, st.text(ALPHABET, min_size=1, max_size=3), st.booleans()),
)


def sequences(part: st.SearchStrategy[Part]) -> st.SearchStrategy[Parts]:
    return st.lists(part, max_size=4).map(tuple)


parts = sequences(
    st.recursive(
        leaves,
        lambda part: st.lists(sequences(part), min_size=1, max_size=3).map(lambda a: Either(tuple(a))),
        max_leaves=12,  # more are only longer
    )
)


@given(parts, st.text("abé*-", max_size=12))
def test_it_agrees_with_trying_every_way(pattern: Parts, text: str) -> None:
    try:
        compiled = glob(written(pattern))
    except InvalidInputError as refused:
        # The only reasons there can be: too many alternatives, or too long a pattern.
        assert "alternatives" in str(refused) or "characters: with wildcards" in str(refused)  # noqa: PT017
        return
    assert bool(compiled.matches(text)) == naive(pattern, text)


@given(st.lists(st.sampled_from(["**", "a", "b", "*", ""]), min_size=1, max_size=5), st.text("ab/", max_size=10))
def test_folders_are_any_number_of_names(names: list[str], text: str) -> None:
    # `**/` is nothing or `*/`: every way of replacing them, tried.
    pattern = "/".join(names)
    ways = [""]
    for number, name in enumerate(names):
        last = number == len(names) - 1
        here = [name + "/" * (not last)] if name != "**" or last else ["", "*/"]
        ways = [way + one for way in ways for one in here]
    expected = any(naive(tuple(Star() if c == "*" else Text(c) for c in way), text) for way in ways)
    assert bool(glob(pattern).matches(text)) == expected


@given(st.text(ALPHABET + "/", max_size=20), st.text(ALPHABET, max_size=10))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    try:
        glob(pattern).matches(text)
    except InvalidInputError as refused:
        assert "the pattern" in str(refused)  # noqa: PT017 - which of both happens depends on the pattern
