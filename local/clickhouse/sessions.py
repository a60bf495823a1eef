"""HTTP sessions of the embedded ClickHouse: a lasting connection under a name, for one request at a time."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.clickhouse.errors import ClickHouseError
from local.clickhouse.sql import quote_name

DEFAULT_TIMEOUT_SECONDS = 60.0  # ClickHouse's default_session_timeout


@dataclass(slots=True)
class Session:
    """One session. Its connection is opened by the first statement that leaves something behind."""

    connect: Callable[[], Any]
    expires_at: float = 0.0
    connection: Any = None
    database: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, prepare: Callable[[Any], None]) -> Any:
        """Give the session's connection, opened and prepared at its first use."""
        if self.connection is None:
            fresh = self.connect()
            prepare(fresh)
            self.connection = fresh
        return self.connection

    def enter(self, database: str) -> None:
        """Use a database named in the URL; the same one again must not undo a USE said in between."""
        if database != self.database:
            self.connection.query(f"USE {quote_name(database)}", "TabSeparated")
            self.database = database


class Sessions:
    """All sessions, by user and id."""

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._sessions: dict[tuple[str, str], Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def use(self, session_id: str, user: str, parameters: Mapping[str, str]) -> Iterator[Session]:
        """Hold the session for one request. Raises ClickHouseError if it is held already, or missing when it must exist."""
        with self._lock:
            self._drop_expired()
            session = self._sessions.get((user, session_id))
            if session is None:
                if parameters.get("session_check") == "1":
                    raise ClickHouseError(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
                session = self._sessions[user, session_id] = Session(self._connect)
            if not session.lock.acquire(blocking=False):
                raise ClickHouseError(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
        try:
            yield session
        finally:
            timeout = float(parameters.get("session_timeout") or DEFAULT_TIMEOUT_SECONDS)
            session.expires_at = self._clock() + timeout
            session.lock.release()

    def close(self) -> None:
        """Close all sessions' connections."""
        with self._lock:
            for session in self._sessions.values():
                self._close(session)
            self._sessions.clear()

    def _drop_expired(self) -> None:
        now = self._clock()
        for key, session in list(self._sessions.items()):
            if session.expires_at < now and session.lock.acquire(blocking=False):
                self._close(session)
                del self._sessions[key]

    @staticmethod
    def _close(session: Session) -> None:
        if session.connection is not None:
            session.connection.close()
            session.connection = None
