"""What a statement may do, read of the engine's own parse and never of the text as it was sent.

formatQuerySingleLine() is the engine's parser and formatter: exactly one statement comes back, without comments, with names and texts in
one spelling. What is refused here is what the engine's access control (users.xml) leaves open: functions that reach files or servers
without a grant, files on the server's side, another role.
"""

import threading
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final

from local.clickhouse.errors import ClickHouseError, parts_of
from local.clickhouse.sql import READS, Statement, quote_text, read_statement

HARMLESS: Final = frozenset({"arrowstream", "format", "loop", "viewexplain", "zeros", "zeros_mt"})
"""Table functions that the engine closes to readonly users although they reach nothing outside."""

ESCAPES: Final = frozenset({"eval", "cluster", "clusterallreplicas", "python", "executable", "disk"})
"""Table functions, and what makes a disk, that reach files, programs or other servers, or run SQL out of a string, without a grant."""

CLOSED_NAMES: Final = frozenset({"file", "catboostevaluate", "evalmlmethod", "reversednsquery", "hascolumnintable", "showcertificate"})
"""The same of functions of values: they may be named nowhere, since `* APPLY file` calls one without a bracket after its name."""

ENGINES: Final = frozenset({
    "MergeTree", "ReplacingMergeTree", "SummingMergeTree", "AggregatingMergeTree", "CollapsingMergeTree", "VersionedCollapsingMergeTree",
    "Memory", "Null", "Join", "Set", "Merge", "Buffer", "Log", "TinyLog", "StripeLog", "Atomic",
})  # fmt: skip
"""Engines of tables and databases that keep what they are given in the engine's own folder; not every other one needs a grant."""

WRITES: Final = frozenset({
    "INSERT", "CREATE", "REPLACE", "ALTER", "DROP", "TRUNCATE", "OPTIMIZE", "RENAME", "EXCHANGE", "DETACH", "ATTACH", "UNDROP",
    "DELETE", "UPDATE", "KILL", "CHECK",
})  # fmt: skip
"""First words open to a user who may write, beside READS; for each the engine wants a grant."""

REMEMBERED: Final = 512
LONGEST_REMEMBERED: Final = 8 << 10


class Permissions:
    """Judge statements for one engine. `connection` is used for nothing else. Any thread."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._run(b"SET max_query_size = 4194304, implicit_select = 0")
        outside = self._names(b"SELECT lower(name) FROM system.table_functions WHERE NOT allow_readonly")
        intelligent = self._names(b"SELECT lower(name) FROM system.functions WHERE startsWith(lower(name), 'ai')")
        self._closed_calls: AbstractSet[str] = (outside - HARMLESS) | ESCAPES
        self._closed_names: AbstractSet[str] = CLOSED_NAMES | intelligent
        self._remembered = lru_cache(REMEMBERED)(self._parsed)

    def demand(self, statement: Statement, *, may_only_read: bool) -> None:
        """Raise ClickHouseError where a statement may not run, or is not exactly one."""
        head = statement.text if statement.data_at is None else statement.without_format + b" FORMAT Values"
        parsed = self._remembered(head) if len(head) <= LONGEST_REMEMBERED else self._parsed(head)
        # FROM t SELECT … is formatted as SELECT … FROM t; otherwise front and engine must have read the same.
        first_word = "SELECT" if statement.first_word == "FROM" else statement.first_word
        if (statement.data_at is None, first_word) != (parsed.data_at is None, parsed.first_word):
            raise ClickHouseError(62, "SYNTAX_ERROR", f"{first_word} can't be told from {parsed.first_word} here")
        refuse(parsed, self._closed_calls, self._closed_names, may_only_read=may_only_read)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _parsed(self, head: bytes) -> Statement:
        try:
            return read_statement(self._run(b"SELECT formatQuerySingleLine(" + quote_text(head) + b")"))
        except RuntimeError as error:
            raise _explained(str(error)) from error

    def _names(self, sql: bytes) -> frozenset[str]:
        return frozenset(self._run(b"SELECT arrayStringConcat(groupArray(*), ' ') FROM (" + sql + b")").decode().split())

    def _run(self, sql: bytes) -> bytes:
        with self._lock:
            return bytes(self._connection.query(sql, "RawBLOB").bytes())


def refuse(parsed: Statement, calls: AbstractSet[str], names: AbstractSet[str], *, may_only_read: bool) -> None:
    """Raise ClickHouseError where a statement, as the engine has formatted it, may not run.

    `calls` are closed before a bracket, `names` wherever they stand; both in small letters.
    """
    if parsed.names_server_file:
        raise ClickHouseError(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are for clients, not for a server")
    if closed := (parsed.calls & calls) | (parsed.names & names):
        raise ClickHouseError(164, "READONLY", f"{min(closed)} is open to nobody here: it reaches out of the database")
    if engines := parsed.engines - ENGINES:
        raise ClickHouseError(164, "READONLY", f"the engine {min(engines)} is open to nobody here: there are {', '.join(sorted(ENGINES))}")
    if not parsed.pairs.isdisjoint({("SET", "ROLE"), ("SET", "DEFAULT"), ("EXECUTE", "AS")}):
        raise ClickHouseError(164, "READONLY", "nobody takes another role here")
    if parsed.first_word not in READS | WRITES:
        raise ClickHouseError(164, "READONLY", f"{parsed.first_word} is open to nobody here")
    if may_only_read and (parsed.first_word not in READS or ("PARALLEL", "WITH") in parsed.pairs):
        raise ClickHouseError(164, "READONLY", f"{parsed.first_word} is not open to whoever may only read")


def _explained(text: str) -> ClickHouseError:
    """Return what the parser said, without the query in which it was asked."""
    if "Multi-statements are not allowed" in text:
        return ClickHouseError(62, "SYNTAX_ERROR", "Multi-statements are not allowed: send one statement at a time")
    code, name, words = parts_of(text)
    return ClickHouseError(code, name or "SYNTAX_ERROR", words.partition(": In scope SELECT formatQuery")[0])
