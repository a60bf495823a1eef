"""Run statements on chdb as a ClickHouse server would: each on its own connection, with its own settings.

chdb keeps USE and SET per connection, and a connection costs 0.3 ms (measured): so a request gets a fresh one, and
what it sets is gone with it. A session gets a lasting connection with its first SET, USE or temporary table.
"""

import threading
from typing import Any

import chdb

from topology.stack.clickhouse_protocol import Answer, ClickHouseError, Request
from topology.stack.clickhouse_sessions import Session, Sessions
from topology.stack.clickhouse_sql import READS, Statement, read_statement

HARMLESS = frozenset({"arrowstream", "dictionary", "format", "loop", "viewexplain", "zeros", "zeros_mt"})
"""Table functions that the engine closes to readonly users although they reach nothing outside."""

ESCAPES = frozenset({"file", "eval", "cluster", "clusterallreplicas", "python", "catboostevaluate"})
"""Functions that readonly=1 leaves open although they reach files or other servers, or run SQL out of a string."""


class Engine:
    """The one engine of this process. `path` is the database's folder; `readers` are users who may only read."""

    def __init__(self, path: str, readers: frozenset[str] = frozenset({"reader"})) -> None:
        self._path = path
        self._readers = readers
        # chdb opens the engine with the first connection and closes it with the last.
        self._keeper = chdb.connect(path)
        self._sessions = Sessions(self._connect)
        self.version = self._text("SELECT version()")
        self.timezone = self._text("SELECT timezone()")
        outside = self._text("SELECT lower(name) FROM system.table_functions WHERE NOT allow_readonly").split()
        self._closed_to_readers = (frozenset(outside) - HARMLESS) | ESCAPES
        self._running = 0
        self._idle = threading.Condition()

    def run(self, request: Request) -> Answer:
        """Run one statement. Raises ClickHouseError, or chdb's own error with ClickHouse's text in it."""
        statement = read_statement(request.statement)
        if not statement.first_word:
            raise ClickHouseError(62, "SYNTAX_ERROR", "Empty query")
        if statement.names_server_file:
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are for clients, not for a server")
        may_only_read = request.user in self._readers
        if may_only_read:
            self._refuse_escapes(statement)
        session_id = request.parameters.get("session_id", "")
        if not session_id:
            return self._run_alone(request, statement, may_only_read)
        with self._sessions.use(session_id, request.user, request.parameters) as session:
            if session.connection is None and not statement.changes_session:
                return self._run_alone(request, statement, may_only_read)
            return self._run_in_session(session, request, statement, may_only_read)

    def close(self) -> None:
        """Close every connection, and with the last the engine."""
        self._sessions.close()
        self._keeper.close()

    def _connect(self) -> Any:
        connection = chdb.connect(self._path)
        # The engine's default answers before the rows are stored.
        connection.query("SET async_insert = 0", "TabSeparated")
        return connection

    def _run_alone(self, request: Request, statement: Statement, may_only_read: bool) -> Answer:
        connection = self._connect()
        try:
            _prepare(connection, request, may_only_read)
            return _execute(connection, request, statement)
        finally:
            connection.close()

    def _run_in_session(self, session: Session, request: Request, statement: Statement, may_only_read: bool) -> Answer:
        connection = session.open(lambda fresh: _apply(fresh, {"readonly": "1"} if may_only_read else {}))
        # A request's own settings must not outlive it: a session keeps only what was SET in it.
        before = _values_of(connection, request.settings)
        try:
            if not may_only_read:
                _apply(connection, request.settings)
            if database := request.parameters.get("database"):
                session.enter(database)
            return _execute(connection, request, statement)
        finally:
            if not may_only_read:
                _apply(connection, before)

    def _refuse_escapes(self, statement: Statement) -> None:
        if statement.first_word not in READS:
            raise ClickHouseError(164, "READONLY", f"{statement.first_word} is not open to a user who may only read")
        if closed := statement.calls & self._closed_to_readers:
            raise ClickHouseError(164, "READONLY", f"{min(closed)}() is not open to a user who may only read")

    def _text(self, sql: str) -> str:
        return bytes(self._keeper.query(sql, "TabSeparated").bytes()).decode().strip()


def _prepare(connection: Any, request: Request, may_only_read: bool) -> None:
    if database := request.parameters.get("database"):
        connection.query(f"USE {quote_name(database)}", "TabSeparated")
    if may_only_read:
        _apply(connection, {"readonly": "1"})
    settings = dict(request.settings)
    readonly = settings.pop("readonly", "0")
    _apply(connection, settings)
    if readonly == "0" and request.is_read:
        readonly = "2"  # nothing may be changed by GET, but settings still may
    if readonly != "0":
        _apply(connection, {"readonly": readonly})


def _execute(connection: Any, request: Request, statement: Statement) -> Answer:
    if statement.data_at is not None:
        return _insert(connection, request, statement)
    default = request.default_format
    result = connection.query(statement.text, default, params=request.values)
    if not statement.answers_with_rows:
        return Answer(summary=_summary(result, written=True))
    body = bytes(result.bytes())
    chosen = statement.format or default
    if not body and chosen == "Native":
        # chdb says nothing at all for no rows; a server says the columns.
        names = connection.query(statement.without_format, "RowBinaryWithNamesAndTypes", params=request.values)
        body = empty_native_block(bytes(names.bytes()))
    return Answer(body, chosen, _summary(result, written=False))


def _insert(connection: Any, request: Request, statement: Statement) -> Answer:
    _apply(connection, {f"param_{name}": value for name, value in request.values.items()})
    # Not connection.query(statement and data): that cuts binary data short at bytes which look like the end.
    inserter = connection.send_insert(statement.without_format.decode(), statement.format or "Values")
    try:
        if data := statement.text[statement.data_at :]:
            inserter.append(data)
        result = inserter.finish()
    finally:
        inserter.cancel()  # does nothing once finished
    written = {"written_rows": result.rows_written, "written_bytes": result.bytes_written}
    return Answer(summary={"read_rows": result.rows_written, "read_bytes": result.bytes_written, **written})


def _summary(result: Any, *, written: bool) -> dict[str, int]:
    return {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written() if written else 0,
        "written_bytes": result.bytes_written() if written else 0,
        "result_rows": result.rows_read(),
        "result_bytes": result.bytes_read(),
        "elapsed_ns": int(result.elapsed() * 1_000_000_000),
    }


def _apply(connection: Any, settings: dict[str, str]) -> None:
    if settings:
        clause = ", ".join(f"{quote_name(name)} = {quote_text(value)}" for name, value in settings.items())
        connection.query(f"SET {clause}", "TabSeparated")


def _values_of(connection: Any, settings: dict[str, str]) -> dict[str, str]:
    values = {}
    for name in settings:
        answer = connection.query(f"SELECT toString(getSetting({quote_text(name)}))", "RawBLOB")
        values[name] = bytes(answer.bytes()).decode()
    return values


def quote_name(name: str) -> str:
    """Put an identifier in backquotes."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    """Write a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def empty_native_block(header: bytes) -> bytes:
    """Make a Native block of no rows from the header of RowBinaryWithNamesAndTypes (count, names, types)."""
    count, at = _read_count(header, 0)
    texts = []
    for _ in range(2 * count):
        length, start = _read_count(header, at)
        texts.append(header[at : start + length])
        at = start + length
    columns = b"".join(name + kind for name, kind in zip(texts[:count], texts[count:], strict=True))
    return _count(count) + b"\0" + columns


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _count(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
