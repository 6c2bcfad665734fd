"""A pattern means in RE2 what it means in ECMA-262, or it is refused with the reason."""

from __future__ import annotations

import re

import duckdb
import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.contract.language.pattern import Refused, compile_error, translate

CONNECTION = duckdb.connect()
MEANT = [
    "^a$", "a|b", "^(?:ab)+$", "^(?<year>[0-9]{4})-x$", r"^\d+$", r"^\w*$", r"^\s$", r"^\S$", r"[^\s]", r"[\s\d]",
    r"\bfoo\b", r"^\u0061$", r"^\x61$", r"^\u{1F600}$", r"^\cA$", r"\t|\n", "[a-c-]", r"^\/$", "a{2,3}?",
    r"[\[\]^-]", r"\.", "é", "^[à-ü]+$",
    r"^\p{L}+$", r"^\p{Letter}", r"\P{Lu}", r"^[\p{gc=Ll}\p{digit}-]+$", r"[^\p{Nd}]",
]  # fmt: skip
TEXTS = [
    "", "a", "ab", "a\n", "\n", "\r", "\u2028", "\x85", "\xa0", "\u0663", "\ufeff", " ", "\v", "0", "12", "foo bar",
    "\x08", "\x01", "\N{GRINNING FACE}", "aaa", "é", "2013-x", "-", "[", "]", "^", "/", ".", "x", "_", "ſ", "K", "\t",
]  # fmt: skip


@pytest.mark.parametrize("pattern", MEANT)
def test_a_translated_pattern_agrees_with_the_reference(pattern):
    translated = translate(pattern)
    assert compile_error(translated) is None
    reference = jsonschema_rs.Draft202012Validator({"pattern": pattern})
    for text in TEXTS:
        (found,) = CONNECTION.execute("SELECT regexp_matches(?, ?)", [text, translated]).fetchone()
        assert found == reference.is_valid(text), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("^.$", ["a", "\x85", "\N{GRINNING FACE}"], ["", "\n", "\r", "\u2028", "\u2029", "ab"]),
        (r"[\b]", ["\b"], ["b", "\\"]),
        ("[^]", ["a", "\n"], [""]),
        ("[]", [], ["", "a", "[]"]),
    ],
)
def test_what_the_reference_does_not_know_follows_ecma_262(pattern, matching, other):
    for text in (*matching, *other):
        (found,) = CONNECTION.execute("SELECT regexp_matches(?, ?)", [text, translate(pattern)]).fetchone()
        assert found == (text in matching), text


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)", "look"), ("(?<!a)", "look"), (r"(a)\1", "backreference"), (r"\k<a>", "backreference"),
        (r"\p{Script=Greek}", "Unicode"), (r"[\P{Cn}]", "Unicode"), (r"\pL", "Unicode"),
        ("a**", "repeats nothing"), ("*a", "repeats nothing"),
        ("^*", "repeats nothing"), ("a{2,1}", "out of order"), ("a{1001}", "too large"), ("(a", "not closed"),
        ("a)", "closes nothing"), ("[a", "not closed"), ("[z-a]", "out of order"),
        (r"[\d-\w]", "range"), (r"[\d-x]", "range"),
        (r"\a", "escape"), ("a\\", "single"), (r"\ud83d", "not a character"),
        ("(?i:a)", "not supported"), ("{", "stands for itself"),
        (r"\01", "octal"),
    ],
)  # fmt: skip
def test_what_re2_cannot_say_is_refused_with_the_reason(pattern, why):
    with pytest.raises(Refused, match=why):
        translate(pattern)


def test_a_pattern_that_is_too_large_for_the_engine_is_told():
    assert compile_error(translate("((a{1000}){1000})")) is not None


PIECES = st.sampled_from(
    [
        "a",
        "b",
        "",
        r"\d",
        r"\w",
        r"\s",
        r"\S",
        "[ab]",
        "[^a]",
        "^",
        "$",
        "|",
        "(?:",
        "(",
        ")",
        "*",
        "+",
        "?",
        "{2}",
        r"\b",
        "é",
        "-",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join), st.text("ab1 \né-", max_size=5))
def test_random_patterns_agree_or_are_refused(pattern, text):
    try:
        translated = translate(pattern)
    except Refused:
        return
    if re.search(r"\\[bB]", pattern) and not text.isascii():
        return  # by ECMA-262 only ASCII letters make a word; the reference takes Unicode's
    reference = jsonschema_rs.Draft202012Validator({"pattern": pattern})
    (found,) = CONNECTION.execute("SELECT regexp_matches(?, ?)", [text, translated]).fetchone()
    assert found == reference.is_valid(text)
