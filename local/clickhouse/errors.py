"""Errors as ClickHouse tells them over HTTP: a code, a name, a text, and the status that goes with it."""

import re


class ClickHouseError(Exception):
    """An error as ClickHouse tells it: code, text, symbolic name."""

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")
        self.code = code
        self.name = name


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


def parts_of(text: str) -> tuple[int, str, str]:
    """Return code, symbolic name (empty where there is none) and words of an error text of the engine."""
    code = _CODE.search(text)
    names = _NAME.findall(text)
    words = text.partition("DB::Exception: ")[2] or text
    return (
        int(code.group(1)) if code else 1001,
        names[-1] if names else "",
        words.removesuffix(f"({names[-1]})").rstrip(" .") if names else words,
    )


def describe_error(text: str, version: str) -> tuple[int, int, str]:
    """HTTP status, ClickHouse's code and the body for an error text of the engine."""
    start = text.find("Code: ")
    text = text[start:] if start >= 0 else f"Code: 1001. DB::Exception: {text} (STD_EXCEPTION)"
    found = _CODE.search(text)
    names = _NAME.findall(text)
    if f"(version {version}" not in text:
        text = f"{text} (version {version})"
    return _STATUS.get(names[-1] if names else "", 500), int(found.group(1)) if found else 1001, text + "\n"


def underway_error(text: str, tag: str) -> bytes:
    """Write what ends a body whose query fails after its status was sent (ClickHouse 25.11: X-ClickHouse-Exception-Tag)."""
    message = text.encode()
    return b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (tag.encode(), message, len(message), tag.encode())
