"""ClickHouse's HTTP protocol in pure functions: what a request says, what an answer says."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from local.clickhouse.errors import ClickHouseError

TRANSPORT = frozenset({
    "query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check",
    "query_id", "quota_key", "compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version",
    "role", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "stacktrace", "close_session",
})  # fmt: skip
"""URL parameters that are the server's own business; every other one is a setting or, as param_NAME, a value."""

READ_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, decoded."""

    statement: bytes
    """The `query` parameter, a line end, and the body: either alone is the statement itself."""
    parameters: Mapping[str, str]
    is_read: bool
    """GET: ClickHouse lets it change nothing."""
    user: str
    query_id: str
    default_format: str
    token: str = ""
    """By which the statement is found again where it is cancelled; empty: it is not."""

    @property
    def readonly(self) -> str:
        """The URL's readonly: 0, 1, or 2; what is none of these binds most."""
        asked = self.parameters.get("readonly") or "0"
        return asked if asked in {"0", "2"} else "1"

    @property
    def waits_for_end(self) -> bool:
        """Whether the client wants the answer as a whole, its errors and summary in the headers."""
        return self.parameters.get("wait_end_of_query") == "1"

    @property
    def settings(self) -> dict[str, str]:
        """Settings in the URL."""
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in TRANSPORT and not name.startswith("param_") and name != "readonly" and value != ""
        }

    @property
    def values(self) -> dict[str, str]:
        """Query parameters by their names, without `param_`."""
        return {name.removeprefix("param_"): value for name, value in self.parameters.items() if name.startswith("param_")}


class Pieces(Protocol):
    """The rest of an answer that is sent while it is found."""

    def next(self) -> bytes | None:
        """Give the next piece, None at the end. Raises RuntimeError when the query fails underway."""
        ...

    def close(self) -> None:
        """Give up the rest."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A statement's outcome."""

    body: bytes = b""
    """The whole answer, or the first piece of `stream`."""
    format: str | None = None
    """None when the statement answers with no rows."""
    summary: Mapping[str, int] = field(default_factory=dict)
    stream: Pieces | None = None

    def headers(self, query_id: str) -> dict[str, str]:
        """X-ClickHouse-* headers; the summary's numbers are strings, as ClickHouse sends them."""
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in self.summary.items()}),
        }
        if self.format is not None:
            headers["X-ClickHouse-Format"] = self.format
        return headers


def read_form(body: bytes, content_type: str) -> tuple[dict[str, str], bytes]:
    """Read a multipart/form-data body: its fields (`param_*` and settings), and its `query` as the statement.

    Raises ClickHouseError for a part with a file name: external tables, which the embedded engine lacks.
    """
    boundary = re.search(r'boundary="?([^";]+)"?', content_type)
    if boundary is None:
        raise ClickHouseError(36, "BAD_ARGUMENTS", "multipart/form-data without a boundary")
    fields: dict[str, str] = {}
    for part in body.split(b"--" + boundary.group(1).encode())[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'[ ;]name="([^"]*)"', head)
        if name is None or b"filename=" in head:
            raise ClickHouseError(48, "NOT_IMPLEMENTED", "External tables are not to be had in the embedded ClickHouse")
        fields[name.group(1).decode()] = value.removesuffix(b"\r\n").decode()
    return fields, fields.pop("query", "").encode()
