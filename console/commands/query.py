"""`tidewire query SQL`: one question, read-only."""

from collections.abc import Sequence
from typing import Any

from local.clickhouse.errors import ClickHouseError
from local.clickhouse.permission import CLOSED_NAMES, ESCAPES
from local.clickhouse.sql import ROWS, read_statement
from topology.addresses import located
from topology.clickhouse import Questions
from topology.errors import Fatal
from topology.settings import Settings

QUESTIONS = ROWS - {"KILL", "CHECK"}


def query(settings: Settings, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Return the columns and rows of a question, texts as bytes; Fatal where it is none, or in ClickHouse's words where that refuses it."""
    demand(sql)
    return Questions(located(settings, "clickhouse").clickhouse).ask_bytes(sql)


def demand(sql: str) -> None:
    """Raise Fatal, in words that say what to write, where a text is not exactly one question.

    The server is asked read-only besides; a few things that ClickHouse does not count as writing are refused only here: to end others'
    queries, and functions that read files or reach other servers.
    """
    try:
        statement = read_statement(sql.encode(errors="replace"))
    except ClickHouseError as error:
        raise Fatal(f"this is no statement: {error}") from error
    if not statement.first_word:
        raise Fatal('there is no statement: ask one question, such as "SELECT venue, count() FROM trades FINAL GROUP BY venue"')
    if statement.is_several:
        raise Fatal("these are two statements or more: ask one question at a time")
    if statement.first_word not in QUESTIONS:
        raise Fatal(f"{statement.first_word} is no question: `query` only reads, and takes {', '.join(sorted(QUESTIONS))}")
    if statement.names_server_file:
        raise Fatal("INTO OUTFILE is not taken: send the output to a file (`tidewire query … --csv > FILE`)")
    if statement.format is not None:
        raise Fatal(f"FORMAT {statement.format} is not taken: the command chooses the form (a table, --json or --csv)")
    if closed := (statement.calls & ESCAPES) | (statement.names & CLOSED_NAMES):
        raise Fatal(f"{min(closed)} is not open to `query`: it reaches out of the database")
