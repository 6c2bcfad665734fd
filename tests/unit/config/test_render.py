from __future__ import annotations

from pathlib import Path

import pytest

from mlci.config import render
from mlci.errors import Problem


def problem(column: int, width: int = 1, **more) -> Problem:
    return Problem(Path("mlci.yaml"), 1, column, "wrong", width=width, **more)


def carets(line: str, column: int, width: int = 1) -> tuple[str, str]:
    text = render(problem(column, width), lambda _: line).splitlines()
    return text[3].removeprefix("1 | "), text[4].removeprefix("  | ")


def test_the_whole_form(mistakes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (found,) = mistakes("train:\n    rnu: check data\n")
    assert render(found) == (
        "error: unknown key 'rnu'\n"
        " --> mlci.yaml:4:5 ($.train)\n"
        "  |\n"
        "4 |     rnu: check data\n"
        "  |     ^^^\n"
        "  = help: did you mean 'run'?"
    )


def test_a_problem_made_elsewhere_reads_its_line_from_the_file(tmp_path):
    file = tmp_path / "contract.yaml"
    file.write_text("type: object\nrequired: 5\n")
    assert "2 | required: 5\n  |           ^" in render(Problem(file, 2, 11, "wrong"))


def test_a_line_that_cannot_be_read_is_left_out(tmp_path):
    assert render(Problem(tmp_path / "gone", 2, 11, "wrong", "do x")).splitlines()[2:] == ["  = help: do x"]


@pytest.mark.parametrize(
    ("line", "column", "width", "shown", "caret"),
    [
        ("名前: 日本語", 5, 3, "名前: 日本語", "      ^^^^^^"),
        ("e\u0301t\u00e9: x", 6, 1, "e\u0301t\u00e9: x", "    ^"),
        ("a:\tb", 4, 1, "a:    b", "      ^"),
        ("a: \x1b[31mb", 4, 1, "a: \\x1b[31mb", "   ^^^^"),
        ("a:\u00a0b", 3, 1, "a:\\xa0b", "  ^^^^"),
        ("a: \u202eb", 5, 1, "a: \\u202eb", "         ^"),
        ("short", 9, 1, "short", "        ^"),
    ],
)
def test_the_caret_stands_under_the_mistake(line, column, width, shown, caret):
    assert carets(line, column, width) == (shown, caret)


def test_a_long_line_is_cut_to_a_window_round_the_caret():
    shown, caret = carets("a" * 500 + "WRONG" + "b" * 500, 501, 5)
    assert len(shown) == 100
    assert shown[0] == shown[-1] == "…"
    start = caret.index("^")
    assert shown[start : start + 5] == "WRONG"
    assert caret.count("^") == 5


def test_a_long_value_is_cut_and_underlined_as_far_as_it_is_shown():
    shown, caret = carets("key: " + "x" * 500, 6, 500)
    assert len(shown) == len(caret) == 100


def test_nothing_of_the_file_reaches_the_terminal_unescaped():
    shown = render(problem(1, help="\x1b[2J", path="$.\x1b"), lambda _: "\x1b]0;x\x07")
    assert all(c.isprintable() for c in shown.replace("\n", ""))


def test_colour_only_when_asked_for():
    assert "\033[" in render(problem(1), lambda _: "x", color=True)
    assert "\033[" not in render(problem(1), lambda _: "x")
