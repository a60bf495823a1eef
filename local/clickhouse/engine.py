"""Run statements on chdb as a ClickHouse server would: each on its own connection, with its own settings.

chdb keeps USE and SET per connection, and a connection costs 0.2 to 0.5 ms (measured): so a request gets a fresh one, and
what it sets is gone with it. A session gets a lasting connection with its first SET, USE or temporary table.
"""

from pathlib import Path
from typing import Any, Final

import chdb

from local.clickhouse.errors import ClickHouseError
from local.clickhouse.execution import PIECEWISE, STREAMED, Stream, apply_settings, execute, settings_now
from local.clickhouse.protocol import Answer, Request
from local.clickhouse.sessions import Session, Sessions
from local.clickhouse.sql import READS, Statement, quote_name, read_statement

CONFIGURATION: Final = Path(__file__).parent / "clickhouse.xml"

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
        self._keeper = self._connect()
        self._sessions = Sessions(self._connect)
        self.version = self._text("SELECT version()")
        self.timezone = self._text("SELECT timezone()")
        outside = self._text("SELECT lower(name) FROM system.table_functions WHERE NOT allow_readonly").split()
        self._closed_to_readers = (frozenset(outside) - HARMLESS) | ESCAPES

    def run(self, request: Request) -> Answer:
        """Run one statement. Raises ClickHouseError, or chdb's own RuntimeError with ClickHouse's text in it."""
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
            return self._run_alone(request, statement, may_only_read=may_only_read)
        with self._sessions.use(session_id, request.user, request.parameters) as session:
            if session.connection is None and not statement.changes_session:
                return self._run_alone(request, statement, may_only_read=may_only_read)
            return self._run_in_session(session, request, statement, may_only_read=may_only_read)

    def close(self) -> None:
        """Close every connection, and with the last the engine."""
        self._sessions.close()
        self._keeper.close()

    def _connect(self) -> Any:
        return chdb.connect(f"{self._path}?config-file={CONFIGURATION}")

    def _run_alone(self, request: Request, statement: Statement, *, may_only_read: bool) -> Answer:
        connection = self._connect()
        streams = False
        try:
            if database := request.parameters.get("database"):
                connection.query(f"USE {quote_name(database)}", "TabSeparated")
            if may_only_read:
                apply_settings(connection, {"readonly": "1"})
            settings = dict(request.settings)
            readonly = settings.pop("readonly", "0")
            apply_settings(connection, settings)
            if readonly == "0" and request.is_read and not may_only_read:
                readonly = "2"  # GET may change nothing, but it may carry settings
            if readonly != "0":
                apply_settings(connection, {"readonly": readonly})
            chosen = statement.format or request.default_format
            if statement.first_word in STREAMED and chosen in PIECEWISE and not request.waits_for_end:
                stream = Stream(connection, request, statement)
                answer = stream.begin(chosen)
                streams = answer.stream is not None
                return answer
            return execute(connection, request, statement)
        finally:
            if not streams:
                connection.close()

    def _run_in_session(self, session: Session, request: Request, statement: Statement, *, may_only_read: bool) -> Answer:
        connection = session.open(lambda fresh: apply_settings(fresh, {"readonly": "1"} if may_only_read else {}))
        if database := request.parameters.get("database"):
            session.enter(database)
        settings = dict(request.settings)
        # readonly cannot be taken back once it is set, so on a lasting connection it is kept by the first word.
        if (request.is_read or settings.pop("readonly", "0") != "0") and statement.first_word not in READS:
            raise ClickHouseError(164, "READONLY", f"{statement.first_word} is not open to a request that may only read")
        # A request's own settings must not outlive it: a session keeps only what was SET in it.
        before = settings_now(connection, settings)
        try:
            apply_settings(connection, settings)
            return execute(connection, request, statement)
        finally:
            apply_settings(connection, before)

    def _refuse_escapes(self, statement: Statement) -> None:
        if statement.first_word not in READS:
            raise ClickHouseError(164, "READONLY", f"{statement.first_word} is not open to a user who may only read")
        # An escape in a quoted name could spell any of them.
        if closed := {name for name in statement.calls if name in self._closed_to_readers or "\\" in name}:
            raise ClickHouseError(164, "READONLY", f"{min(closed)}() is not open to a user who may only read")

    def _text(self, sql: str) -> str:
        return bytes(self._keeper.query(sql, "TabSeparated").bytes()).decode().strip()
