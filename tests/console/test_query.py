"""`tidewire query` reads, says plainly what it does not take, and shows data without obeying it."""

import json
from pathlib import Path
from typing import Any

import pytest

from console.commands import show
from console.commands.query import demand
from tests.command_line import Tidewire
from topology.errors import Fatal

ESCAPE = "\x1b]0;owned\x07\x9b2J"
SHOWN = "\\u001b]0;owned\\u0007\\u009b2J"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "there is no statement"),
        (" -- nothing", "there is no statement"),
        ("SELECT 1; SELECT 2", "two statements or more"),
        ("SELECT 1;\nDROP TABLE trades", "two statements or more"),
        ("SELECT 'a", "this is no statement"),
        ("KILL QUERY WHERE 1", "KILL is no question"),
        ("DROP TABLE trades", "DROP is no question"),
        ("SET readonly = 0", "SET is no question"),
        ("SYSTEM SHUTDOWN", "SYSTEM is no question"),
        ("SELECT file('/etc/passwd')", "file is not open"),
        ("SELECT * FROM `file`('/etc/passwd')", "file is not open"),
        ("SELECT * APPLY file FROM trades", "file is not open"),
        ("SELECT 1 INTO OUTFILE 'a'", "INTO OUTFILE is not taken"),
        ("SELECT 1 FORMAT CSV", r"FORMAT CSV is not taken: .*--json"),
        ("SELECT 1 FORMAT JSONEachRow;", "FORMAT JSONEachRow is not taken"),
    ],
)
def test_what_is_no_question_is_refused_in_plain_words(sql: str, words: str) -> None:
    """No server is asked, and the words say what is wrong with it."""
    with pytest.raises(Fatal, match=words):
        demand(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT ';' ;",
        "WITH 1 AS a SELECT a; -- done",
        "SELECT 1 AS format",
        "SHOW TABLES",
        "DESCRIBE trades",
        "EXPLAIN SELECT 1",
    ],
)
def test_questions_are_taken(sql: str) -> None:
    """One question, with a semicolon at its end or without."""
    demand(sql)


@pytest.mark.parametrize(
    "sql", ["KILL QUERY WHERE 1", "SELECT file('/etc/passwd')", "SELECT 1; SELECT 2", "SELECT * FROM url('http://127.0.0.1:9', 'CSV')"]
)
def test_a_running_stack_is_only_read(ask: Tidewire, sql: str) -> None:
    """Whoever refuses it, it is one line, and code 1."""
    said = ask("query", sql)
    assert (said.code, said.out) == (1, "")
    assert said.error.startswith("tidewire: ")
    assert said.error.count("\n") == 1


def test_data_do_not_command_the_terminal(ask: Tidewire) -> None:
    """Names and values are shown as what they are, in a table and as JSON, which reads as the same text still."""
    sql = "SELECT unhex('1b5d303b6f776e656407c29b324a') AS value, 1 AS `\\x1b[2J`"
    table = ask("query", sql).out
    assert SHOWN in table
    assert "\\u001b[2J" in table
    lines = ask("query", sql, "--json").out
    assert json.loads(lines)["value"] == ESCAPE
    assert not {"\x1b", "\x9b", "\x07"} & set(table + lines)


def test_errors_do_not_command_the_terminal(ask: Tidewire, tmp_path: Path) -> None:
    """What a server repeats of a statement is shown."""
    said = ask("query", "SELECT `\x1b[2Jnothing` FROM trades")
    assert "nothing" in said.error
    assert "\x1b" not in said.error


@pytest.mark.parametrize("is_terminal", [True, False])
def test_csv_is_exact_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool) -> None:
    """A program gets each value as it is; a terminal is shown it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    rows: list[list[Any]] = [[ESCAPE]]
    show.answer(["a"], rows, as_json=False, as_csv=True)
    assert capsys.readouterr().out == f"a\n{SHOWN if is_terminal else ESCAPE}\n"


ODD = (
    "SELECT nan AS a, [inf, -inf] AS b, map('x', toDecimal64('1.50', 2), 'y', NULL) AS c, unhex('61ff') AS d, ['é', unhex('fe')] AS e, "
    "tuple(1, 'z') AS f, toLowCardinality('low') AS g, toFixedString('ab', 2) AS h, map(unhex('ff'), nan) AS i, "
    "CAST('k' AS Nullable(String)) AS j"
)


def test_json_is_json_whatever_is_asked(ask: Tidewire) -> None:
    """What is no finite number is text, a map is an object, bytes that are no text say so."""
    said = ask("query", ODD, "--json")
    assert json.loads(said.out, parse_constant=pytest.fail) == {
        "a": "NaN",
        "b": ["Infinity", "-Infinity"],
        "c": {"x": "1.5", "y": None},
        "d": "a\\xff",
        "e": ["é", "\\xfe"],
        "f": [1, "z"],
        "g": "low",
        "h": "ab",
        "i": {"\\xff": "NaN"},
        "j": "k",
    }


def test_cells_hold_lists_as_json(ask: Tidewire) -> None:
    """Neither a table nor CSV shows how a program of ours holds a value."""
    table, csv = ask("query", ODD).out, ask("query", ODD, "--csv").out
    for text in (table, csv.replace('""', '"')):
        assert '{"x": "1.5", "y": null}' in text
        assert '["é", "\\\\xfe"]' in text
        assert "Decimal" not in text


@pytest.mark.parametrize("sql", ["-- a comment\nSELECT 7 AS a", "--a comment\nSELECT 7 AS a", "/* a */ SELECT 7 AS a"])
def test_sql_may_begin_with_a_comment(ask: Tidewire, sql: str) -> None:
    """It is no option, before or behind those there are."""
    for arguments in ((sql, "--csv"), ("--csv", sql), ("--csv", "--", sql)):
        assert ask("query", *arguments).out == "a\n7\n"


def test_what_is_no_option_is_none(ask: Tidewire) -> None:
    """A word that begins like an option and is none is told as that."""
    assert "--jsn" in ask("query", "--jsn", "SELECT 1").error
