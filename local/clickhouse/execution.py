"""One statement on one chdb connection: as a whole, as a stream, or as an insert with its data."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.clickhouse.native import empty_native_block
from local.clickhouse.protocol import Answer, Request
from local.clickhouse.sql import Statement, quote_name, quote_text

PIECEWISE = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})
"""Formats whose blocks, one after the other, are one document: only these can be streamed out of chdb."""

STREAMED = frozenset({"SELECT", "WITH"})
"""First words of statements that chdb streams; SHOW and its like are answered whole."""


class Stream:
    """A query's answer, fetched block by block; it owns its connection."""

    def __init__(self, connection: Any, request: Request, statement: Statement) -> None:
        self._connection = connection
        self._request = request
        self._statement = statement
        self._result: Any = None
        self._lock = threading.Lock()

    def begin(self, chosen: str) -> Answer:
        """Run the query up to its first block; without one the whole, empty, answer."""
        self._result = self._connection.send_query(self._statement.text.decode(), self._request.default_format, params=self._request.values)
        first = self._result.fetch()
        if first is None:
            self._result.close()
            empty = _no_rows(self._connection, self._request, self._statement, chosen)
            return Answer(empty, chosen)
        return Answer(bytes(first.bytes()), chosen, stream=self)

    def next(self) -> bytes | None:
        """Give the next block, None at the end. Raises RuntimeError when the query fails underway."""
        with self._lock:
            block = None if self._result is None else self._result.fetch()
            return None if block is None else bytes(block.bytes())

    def close(self) -> None:
        """Cancel what is left of the query and close its connection."""
        with self._lock:
            if self._result is not None:
                self._result.close()
                self._result = None
                self._connection.close()


def execute(connection: Any, request: Request, statement: Statement) -> Answer:
    """Run a statement to its end on a connection that is set up for it."""
    if statement.data_at is not None:
        return _insert(connection, request, statement)
    result = connection.query(statement.text, request.default_format, params=request.values)
    summary = {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read(),
        "result_bytes": result.bytes_read(),
        "elapsed_ns": int(result.elapsed() * 1_000_000_000),
    }
    if not statement.answers_with_rows:
        return Answer(summary=summary)
    chosen = statement.format or request.default_format
    body = bytes(result.bytes()) or _no_rows(connection, request, statement, chosen)
    return Answer(body, chosen, summary)


def _no_rows(connection: Any, request: Request, statement: Statement, chosen: str) -> bytes:
    """Give the answer to a query without rows: in Native chdb says nothing at all, where a server says the columns."""
    if chosen != "Native":
        return b""
    header = connection.query(statement.without_format, "RowBinaryWithNamesAndTypes", params=request.values)
    return empty_native_block(bytes(header.bytes()))


def _insert(connection: Any, request: Request, statement: Statement) -> Answer:
    apply_settings(connection, {f"param_{name}": value for name, value in request.values.items()})
    if "async_insert" not in request.settings:
        # The engine's default collects rows of several inserts, and makes each wait for the others.
        apply_settings(connection, {"async_insert": "0"})
    # Not connection.query(statement with its data): that cuts binary data short. Not send_insert: what goes wrong behind the
    # parser (a constraint, the disk) it does not tell, counts the rows as written, and they are gone.
    with _file_of(statement.text[statement.data_at :]) as path:
        source = f" FROM INFILE {quote_text(path)} COMPRESSION 'none' FORMAT {statement.format or 'Values'}"
        result = connection.query(statement.without_format + source.encode(), "TabSeparated")
    rows, size = result.rows_written(), result.bytes_written()
    return Answer(
        summary={
            "read_rows": rows,
            "read_bytes": size,
            "written_rows": rows,
            "written_bytes": size,
            "elapsed_ns": int(result.elapsed() * 1_000_000_000),
        }
    )


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """Give the path of a file with these bytes: in memory where the system can, and gone afterwards."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("insert"), "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name


def apply_settings(connection: Any, settings: Mapping[str, str]) -> None:
    """Apply settings to a connection, for the rest of its life."""
    if settings:
        clause = ", ".join(f"{quote_name(name)} = {quote_text(value)}" for name, value in settings.items())
        connection.query(f"SET {clause}", "TabSeparated")


def settings_now(connection: Any, settings: Mapping[str, str]) -> dict[str, str]:
    """Give the present values of the settings that `settings` names."""
    values = {}
    for name in settings:
        answer = connection.query(f"SELECT toString(getSetting({quote_text(name)}))", "RawBLOB")
        values[name] = bytes(answer.bytes()).decode()
    return values
