"""Run statements on chdb as a ClickHouse server would: each on its own connection, with its own settings.

chdb keeps USE and SET per connection, and a connection costs 0.2 to 0.5 ms (measured): so a request gets a fresh one, and
what it sets is gone with it. A session gets a lasting connection with its first SET, USE or temporary table.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import chdb

from local.clickhouse.errors import ClickHouseError
from local.clickhouse.execution import PIECEWISE, STREAMED, Stream, apply_settings, execute, settings_now
from local.clickhouse.permission import Permissions
from local.clickhouse.protocol import Answer, Request
from local.clickhouse.sessions import Session, Sessions
from local.clickhouse.sql import Statement, quote_name, quote_text, read_statement

CONFIGURATION: Final = Path(__file__).parent / "clickhouse.xml"

USERS: Final = Path(__file__).parent / "users.xml"

LIBRARY: Final = "_chdb.abi3.so"
"""The file that is the engine: half a gigabyte, of which its start reads a quarter once."""

LONGEST_QUESTION_SECONDS: Final = 3600
"""Bound of a query of whoever may only read; one whose client goes is cancelled at once."""


class Engine:
    """The one engine of this process. `path` is the database's folder; `readers` are users who may only read."""

    def __init__(self, path: str, readers: frozenset[str] = frozenset({"reader"})) -> None:
        self._path = path
        self._readers = readers
        # chdb opens the engine with the first connection and closes it with the last.
        self._keeper = self._connect()
        self._keeping = threading.Lock()
        self._plain_default_database()
        self._sessions = Sessions(self._connect)
        self._permissions = Permissions(self._connect())
        self.version = self._text("SELECT version()")
        self.timezone = self._text("SELECT timezone()")

    def run(self, request: Request) -> Answer:
        """Run one statement. Raises ClickHouseError, or chdb's own RuntimeError with ClickHouse's text in it."""
        statement = read_statement(request.statement)
        if not statement.first_word:
            raise ClickHouseError(62, "SYNTAX_ERROR", "Empty query")
        may_only_read = request.user in self._readers or request.is_read or request.readonly != "0"
        self._permissions.demand(statement, may_only_read=may_only_read)
        session_id = request.parameters.get("session_id", "")
        if not session_id:
            return self._run_alone(request, statement, may_only_read=may_only_read)
        with self._sessions.use(session_id, request.user, request.parameters) as session:
            if session.connection is None and not statement.changes_session:
                return self._run_alone(request, statement, may_only_read=may_only_read)
            return self._run_in_session(session, request, statement)

    def cancel(self, token: str) -> None:
        """Cancel what runs for the request of this token, if anything does; returns before it has ended. Any thread."""
        self._text(f"KILL QUERY WHERE Settings['log_comment'] = {quote_text(token)} ASYNC FORMAT Null")

    def close(self) -> None:
        """Close every connection, and with the last the engine."""
        self._sessions.close()
        self._permissions.close()
        self._keeper.close()

    def _connect(self) -> Any:
        return chdb.connect(f"{self._path}?config-file={CONFIGURATION}&users_config={USERS}")

    def _plain_default_database(self) -> None:
        """Let `default` be a database: chdb lays the machine's files over it, as tables that are named by their paths."""
        self._keeper.query("DETACH DATABASE default", "Null")
        tables = Path(self._path) / "metadata" / "default"
        if tables.exists():
            self._keeper.query("ATTACH DATABASE default", "Null")
            return
        # Without a table chdb does not find its own file of the database again, and refuses to make or to attach it.
        tables.with_suffix(".sql").unlink(missing_ok=True)
        self._keeper.query("CREATE DATABASE default ENGINE = Atomic", "Null")

    def _run_alone(self, request: Request, statement: Statement, *, may_only_read: bool) -> Answer:
        connection = self._connect()
        streams = False
        try:
            if database := request.parameters.get("database"):
                connection.query(f"USE {quote_name(database)}", "TabSeparated")
            settings = request.settings | _marked(request, statement)
            if may_only_read:
                self._bind_reader(connection)
                settings = {"max_execution_time": str(LONGEST_QUESTION_SECONDS)} | settings
            apply_settings(connection, settings)
            if may_only_read:
                # 2: it may carry settings, and nothing else. Last, since it can't be taken back.
                apply_settings(connection, {"readonly": "1" if request.user in self._readers else request.readonly.replace("0", "2")})
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

    @staticmethod
    def _bind_reader(connection: Any) -> None:
        connection.query("SET ROLE reader", "TabSeparated")

    def _bind_user(self, user: str) -> Callable[[Any], None]:
        def bind(connection: Any) -> None:
            if user in self._readers:
                self._bind_reader(connection)
                apply_settings(connection, {"readonly": "1"})

        return bind

    def _run_in_session(self, session: Session, request: Request, statement: Statement) -> Answer:
        connection = session.open(self._bind_user(request.user))
        if database := request.parameters.get("database"):
            session.enter(database)
        # readonly cannot be taken back once it is set, so on a lasting connection it is kept by the permissions alone.
        settings = request.settings
        if request.user not in self._readers:  # whose connection takes no settings any more
            settings |= _marked(request, statement)
        # A request's own settings must not outlive it: a session keeps only what was SET in it.
        before = settings_now(connection, settings)
        try:
            apply_settings(connection, settings)
            return execute(connection, request, statement)
        finally:
            apply_settings(connection, before)

    def _text(self, sql: str) -> str:
        with self._keeping:
            return bytes(self._keeper.query(sql, "TabSeparated").bytes()).decode().strip()


def _marked(request: Request, statement: Statement) -> dict[str, str]:
    """Return the settings by which a statement is found to be cancelled; an insert of data is not: it is stored whole or refused."""
    return {"log_comment": request.token} if request.token and statement.data_at is None else {}
