"""ClickHouse's HTTP protocol in pure functions: the parameters, the bodies' encodings, the errors' statuses."""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cramjam

TRANSPORT = frozenset({
    "query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check",
    "query_id", "quota_key", "compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version",
    "role", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close", "add_http_cors_header", "stacktrace", "close_session",
})  # fmt: skip
"""URL parameters that are the server's own business; every other one is a setting or, as param_NAME, a value."""

READ_METHODS = frozenset({"GET", "HEAD"})


class ClickHouseError(Exception):
    """An error as ClickHouse tells it: code, text, symbolic name."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")
        self.code = code
        self.name = name


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

    @property
    def settings(self) -> dict[str, str]:
        """Settings in the URL."""
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in TRANSPORT and not name.startswith("param_") and value != ""
        }

    @property
    def values(self) -> dict[str, str]:
        """Query parameters by their names, without `param_`."""
        return {name.removeprefix("param_"): value for name, value in self.parameters.items() if name.startswith("param_")}


@dataclass(frozen=True, slots=True)
class Answer:
    """A statement's outcome."""

    body: bytes = b""
    format: str | None = None
    """None when the statement answers with no rows."""
    summary: Mapping[str, int] = field(default_factory=dict)

    def headers(self, query_id: str) -> dict[str, str]:
        """X-ClickHouse-* headers; the summary's numbers are strings, as ClickHouse sends them."""
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in self.summary.items()}),
        }
        if self.format is not None:
            headers["X-ClickHouse-Format"] = self.format
        return headers


def _zlib_members(body: bytes) -> bytes:
    parts = []
    while body:
        member = zlib.decompressobj()
        parts.append(member.decompress(body))
        if not member.eof:
            raise ValueError("the deflate stream breaks off")
        body = member.unused_data
    return b"".join(parts)


def _through(decompress: Callable[[bytes], Any]) -> Callable[[bytes], bytes]:
    return lambda body: bytes(decompress(body))


# Each of these reads every frame of a body: clients send several, and the first alone is a silent loss.
# br is left out, since its decoder stops after the first stream without a word.
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _through(cramjam.gzip.decompress),
    "lz4": _through(cramjam.lz4.decompress),
    "zstd": _through(cramjam.zstd.decompress),
    "deflate": _zlib_members,
}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": _through(cramjam.lz4.compress),
    "zstd": lambda body: bytes(cramjam.zstd.compress(body, 1)),
    "gzip": lambda body: bytes(cramjam.gzip.compress(body, 1)),
    "br": lambda body: bytes(cramjam.brotli.compress(body, 1)),
    "deflate": zlib.compress,
}


def decode_body(body: bytes, encoding: str) -> bytes:
    """Undo a request's Content-Encoding, all frames of it. Raises ClickHouseError for an unknown or broken one."""
    if not body or encoding in {"", "identity"}:
        return body
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        known = ", ".join(_DECODERS)
        raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not read here, only {known}")
    try:
        return decoder(body)
    except (cramjam.DecompressionError, ValueError, zlib.error) as error:
        raise ClickHouseError(354, "CANNOT_DECOMPRESS", f"Cannot decompress the {encoding} body: {error}") from error


def choose_encoding(accepted: str, parameters: Mapping[str, str]) -> str | None:
    """Choose the response's Content-Encoding: the quickest the client takes, if it set enable_http_compression=1."""
    if parameters.get("enable_http_compression") != "1":
        return None
    offers = {offer.split(";")[0].strip() for offer in accepted.split(",")}
    return next((encoding for encoding in _ENCODERS if encoding in offers), None)


def encode_body(body: bytes, encoding: str) -> bytes:
    """Apply a response's Content-Encoding."""
    return _ENCODERS[encoding](body)


_STATUS_BY_NAME = {
    # ClickHouse: src/Server/HTTP/exceptionCodeToHTTPStatus.cpp
    401: ("REQUIRED_PASSWORD",),
    403: ("UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE"),
    400: (
        "BAD_ARGUMENTS", "CANNOT_COMPILE_REGEXP", "CANNOT_PARSE_TEXT", "CANNOT_PARSE_ESCAPE_SEQUENCE",
        "CANNOT_PARSE_QUOTED_STRING", "CANNOT_PARSE_DATE", "CANNOT_PARSE_DATETIME", "CANNOT_PARSE_NUMBER",
        "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", "CANNOT_PARSE_IPV4", "CANNOT_PARSE_IPV6", "CANNOT_PARSE_UUID",
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED", "DUPLICATE_COLUMN", "ILLEGAL_COLUMN", "ILLEGAL_TYPE_OF_ARGUMENT",
        "THERE_IS_NO_COLUMN", "UNKNOWN_ELEMENT_IN_AST", "UNKNOWN_TYPE_OF_AST_NODE", "TOO_DEEP_AST", "TOO_BIG_AST",
        "UNEXPECTED_AST_STRUCTURE", "SYNTAX_ERROR", "INCORRECT_DATA", "TYPE_MISMATCH",
        "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "BAD_QUERY_PARAMETER", "CANNOT_DECOMPRESS",
    ),
    404: (
        "UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE",
        "UNKNOWN_DATABASE", "UNKNOWN_SETTING", "UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION",
        "UNKNOWN_FORMAT", "UNKNOWN_DATABASE_ENGINE", "UNKNOWN_TYPE_OF_QUERY", "SESSION_NOT_FOUND",
    ),
    413: ("QUERY_IS_TOO_LARGE",),
    501: ("NOT_IMPLEMENTED",),
    503: ("SOCKET_TIMEOUT", "CANNOT_OPEN_FILE"),
    411: ("HTTP_LENGTH_REQUIRED",),
    408: ("TIMEOUT_EXCEEDED",),
}  # fmt: skip
_STATUS = {name: status for status, names in _STATUS_BY_NAME.items() for name in names}
_CODE = re.compile(r"Code: (\d+)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")


def describe_error(text: str, version: str) -> tuple[int, int, str]:
    """HTTP status, ClickHouse's code and the body for an error text of the engine."""
    start = text.find("Code: ")
    text = text[start:] if start >= 0 else f"Code: 1001. DB::Exception: {text} (STD_EXCEPTION)"
    found = _CODE.search(text)
    names = _NAME.findall(text)
    if f"(version {version}" not in text:
        text = f"{text} (version {version})"
    return _STATUS.get(names[-1] if names else "", 500), int(found.group(1)) if found else 1001, text + "\n"


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
