"""What is read of a statement before it runs."""

import pytest

from local.clickhouse.sql import quote_name, quote_text, read_statement


@pytest.mark.parametrize(
    ("text", "first_word", "answers"),
    [
        (b"select 1", "SELECT", True),
        (b"-- a note\n /* another; */ SELECT 1", "SELECT", True),
        (b"(SELECT 1) UNION ALL (SELECT 2)", "SELECT", True),
        (b"WITH 1 AS x SELECT x", "WITH", True),
        (b"CREATE TABLE t (a Int8) ENGINE = Memory", "CREATE", False),
        (b"  ", "", False),
    ],
)
def test_first_word_tells_whether_rows_come_back(text: bytes, first_word: str, answers: bool) -> None:
    """Comments and brackets before the first word do not hide it."""
    statement = read_statement(text)
    assert (statement.first_word, statement.answers_with_rows) == (first_word, answers)


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        (b"SELECT 1 FORMAT JSON", "JSON", b"SELECT 1 "),
        (b"SELECT 1\n FORMAT Native ;", "Native", b"SELECT 1\n "),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV", b"SELECT 1 "),
        (b"SELECT format FROM t", None, b"SELECT format FROM t"),
        (b"SELECT ' FORMAT JSON'", None, b"SELECT ' FORMAT JSON'"),
        (b"SELECT 1 -- FORMAT JSON", None, b"SELECT 1 -- FORMAT JSON"),
        (b"SELECT * FROM (SELECT a AS format FROM t) FORMAT TSV", "TSV", b"SELECT * FROM (SELECT a AS format FROM t) "),
    ],
)
def test_format_is_the_clause_and_not_a_column(text: bytes, name: str | None, rest: bytes) -> None:
    """Only FORMAT at the end of a statement, outside texts and brackets, names its format."""
    statement = read_statement(text)
    assert (statement.format, statement.without_format) == (name, rest)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"INSERT INTO t FORMAT Avro\n", "Avro"),
        (b"insert into db.t (a, `format`, b) settings async_insert=0 format Native\r\n", "Native"),
        (b"INSERT INTO t VALUES", "Values"),
        (b"INSERT INTO values FORMAT CSV ", "CSV"),
        (b"INSERT INTO t /* FORMAT CSV */ FORMAT JSONEachRow ", "JSONEachRow"),
    ],
)
def test_data_of_an_insert_begins_after_its_format(head: bytes, name: str) -> None:
    """What follows is data, whatever bytes it is made of."""
    data = b"\x00'\"`--;)(FORMAT\xff"
    statement = read_statement(head + data)
    assert statement.format == name
    assert statement.text[statement.data_at :] == data


def test_an_insert_from_a_query_carries_no_data() -> None:
    """INSERT … SELECT is run as it stands."""
    assert read_statement(b"INSERT INTO t SELECT * FROM u FORMAT Null").data_at is None


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (b"SELECT file('/etc/passwd')", {"file"}),
        (b"SELECT * FROM `URL` /* */ ('http://x')", {"url"}),
        (b"SELECT 'file(' , count()", {"count"}),
        (b"SELECT 1 AS x$$, file('a') AS y$$", {"file"}),
        ("SELECT \u2018 ' \u2019, file('a'), \u2018 ' \u2019".encode(), {"file"}),
        ("SELECT \u201cfile\u201d('a')".encode(), {"file"}),
        (b"SELECT 1 FORMAT CSV SETTINGS a = 1; SELECT file('a')", {"file"}),
        (b"SELECT $x$ file('a') $x$", set()),
    ],
)
def test_calls_are_seen_through_quotes_and_comments(text: bytes, calls: set[str]) -> None:
    """A function's name is seen however it is written, and not where it is only text."""
    assert read_statement(text).calls == calls


def test_server_files_and_session_changes_are_noticed() -> None:
    """INTO OUTFILE, FROM INFILE, SET, USE and temporary tables each have their own treatment."""
    assert read_statement(b"SELECT 1 INTO OUTFILE '/x'").names_server_file
    assert read_statement(b"INSERT INTO t FROM INFILE '/x' FORMAT CSV").names_server_file
    assert not read_statement(b"SELECT 'INTO OUTFILE'").names_server_file
    assert read_statement(b"SET max_threads = 1").changes_session
    assert read_statement(b"USE db").changes_session
    assert read_statement(b"CREATE TEMPORARY TABLE t (a Int8)").changes_session
    assert not read_statement(b"CREATE TABLE t (a Int8) ENGINE = Memory").changes_session


def test_quoting_keeps_quotes_inside() -> None:
    """A quote or a backslash in a name or text cannot end it."""
    assert quote_name("a`b\\") == "`a\\`b\\\\`"
    assert quote_text("a'b\\") == "'a\\'b\\\\'"
