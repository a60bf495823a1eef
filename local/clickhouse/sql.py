"""What a statement is, as far as a server must know before it runs it: its first word, its FORMAT, where its data begins.

Follows ClickHouse's own lexer (src/Parsers/Lexer.cpp) in what is not code: '…', "…" and `…` with backslashes or
doubled quotes, the same in curly quotes, comments (--, #, /* … */) and $tag$ … $tag$ heredocs. A `$` inside a word
belongs to the word. Each byte is looked at a bounded number of times, whatever is left open. Nothing is allowed on the strength of
this: what a statement may do is read of the engine's own parse (local/clickhouse/permission.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import AnyStr

from local.clickhouse.errors import ClickHouseError

LONGEST = 256 << 10
"""Bytes of a statement without its data: ClickHouse's own max_query_size."""

_TOKEN = re.compile(
    rb"""(?P<gap>\s+|--[^\n]*|\#[ !][^\n]*)
       |(?P<number>[0-9][\w$]*)
       |(?P<word>[A-Za-z_][\w$]*)
       |(?P<open>/\*|['"`]|\xe2\x80[\x98\x9c]|\$\w*\$)
       |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_TAG = re.compile(rb"(?=(\$\w*\$))")
_CLOSED_BY = {b"\xe2\x80\x98": b"\xe2\x80\x99", b"\xe2\x80\x9c": b"\xe2\x80\x9d"}
_REST = {quote: re.compile(rb"(?:[^%b\\]|\\.|%b%b)*+%b" % ((quote,) * 4), re.DOTALL) for quote in (b"'", b'"', b"`")}
_NAMES = frozenset({b'"', b"`", b"\xe2\x80\x9c"})
_QUOTES = b'"`\xe2\x80\x9c\x9d'
_GAP_BEFORE_DATA = re.compile(rb"[ \t\f]*\r?\n?")  # ParserInsertQuery: blanks, then one line end

ROWS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "KILL", "FROM"})
"""First words of statements that answer with rows."""

READS = ROWS - {"KILL", "CHECK"} | {"USE", "SET"}
"""First words open to a user who may only read."""

_TEMPORARY = frozenset({("CREATE", "TEMPORARY"), ("DROP", "TEMPORARY"), ("REPLACE", "TEMPORARY")})
_AFTER_FORMAT = frozenset({b"SETTINGS", b"INTO"})


@dataclass(slots=True)
class Statement:
    """One statement and what was read of it."""

    text: bytes
    first_word: str = ""
    """In capitals; of `(SELECT …)` SELECT."""
    format: str | None = None
    """The name after FORMAT; Values after VALUES."""
    format_at: int | None = None
    """Where the FORMAT clause (or VALUES) begins."""
    data_at: int | None = None
    """Where an INSERT's own data begins; None for every other statement, INSERT … SELECT among them."""
    names: set[str] = field(default_factory=set)
    """Words and quoted names, in small letters."""
    calls: set[str] = field(default_factory=set)
    """Those of them before an opening bracket."""
    engines: set[str] = field(default_factory=set)
    """Names after ENGINE =, as they are written."""
    pairs: set[tuple[str, str]] = field(default_factory=set)
    """Words beside one another, in capitals."""
    is_several: bool = False
    """Whether more follows a semicolon."""
    changes_session: bool = False
    """SET, USE, or a temporary table: it has an effect only on the session it is said in."""

    @property
    def names_server_file(self) -> bool:
        """INTO OUTFILE or FROM INFILE: the client's business in ClickHouse, never the server's."""
        return not self.pairs.isdisjoint({("INTO", "OUTFILE"), ("FROM", "INFILE")})

    @property
    def answers_with_rows(self) -> bool:
        """Whether the answer is a table."""
        return self.first_word in ROWS

    @property
    def without_format(self) -> bytes:
        """The statement up to its FORMAT clause or its data."""
        return self.text[: self.data_at if self.format_at is None else self.format_at]


def read_statement(text: bytes) -> Statement:
    """Read a statement; of an INSERT with data only the part before the data, which may be binary.

    Raises ClickHouseError where a quote or a comment is left open, or the part is longer than LONGEST.
    """
    statement = Statement(text)
    depth = 0
    word = before = b""
    word_at = 0
    name: bytes | None = None  # the token just before, if it can be a function's name
    is_select = ended = names_engine = False
    is_settled = False  # the FORMAT clause was followed by what may follow it
    for kind, at, end in _tokens(text):
        if end > LONGEST:
            raise ClickHouseError(62, "SYNTAX_ERROR", f"A statement without its data may have {LONGEST} bytes")
        if kind == "gap":
            continue
        piece = text[at:end]
        statement.is_several = statement.is_several or (ended and piece != b";")
        ended = ended or piece == b";"
        if statement.format_at is not None and depth == 0 and not is_settled:
            is_settled = piece == b";" or piece.upper() in _AFTER_FORMAT
            if not is_settled:  # not the last clause, so `format` was a column's name
                statement.format = statement.format_at = None
        if kind == "other":
            if piece == b"(" and name is not None:
                statement.calls.add(name.decode(errors="replace").lower())
            depth += {b"(": 1, b")": -1}.get(piece, 0)
        name = piece.strip(_QUOTES) if kind in {"word", "quoted"} else None
        if name is not None and names_engine:
            statement.engines.add(name.decode(errors="replace"))
        names_engine = piece == b"=" and word == b"ENGINE"
        if name is not None:
            statement.names.add(name.decode(errors="replace").lower())
        if kind != "word":
            before, word = word, b""
            continue
        before, before_at, word, word_at = word, word_at, piece.upper(), at
        statement.first_word = statement.first_word or word.decode()
        if before:
            statement.pairs.add((before.decode(), word.decode()))
        if depth:
            continue
        is_insert = statement.first_word == "INSERT" and not is_select
        if before == b"FORMAT" and not is_settled:
            statement.format, statement.format_at = piece.decode(), before_at
            if is_insert:
                gap = _GAP_BEFORE_DATA.match(text, end)
                statement.data_at = end if gap is None else gap.end()
                break
        elif is_insert and word == b"VALUES" and before not in {b"INTO", b"TABLE"}:
            statement.format, statement.format_at, statement.data_at = "Values", at, end
            break
        elif is_insert and word in {b"SELECT", b"WITH"}:
            is_select = True
    statement.changes_session = statement.first_word in {"SET", "USE"} or not statement.pairs.isdisjoint(_TEMPORARY)
    if statement.first_word == "INSERT" and not is_select and statement.data_at is None:
        statement.data_at = len(text)
    return statement


def _tokens(text: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the kind (gap, text, quoted, word, number, other), begin and end of each token."""
    last: dict[bytes, int] | None = None  # where each heredoc's tag stands last: one that never comes again opens nothing
    at = 0
    while found := _TOKEN.match(text, at):
        kind, end = str(found.lastgroup), found.end()
        if kind == "open":
            opening = found.group()
            if opening == b"/*":
                kind, end = "gap", _after(text, b"*/", end)
            elif opening in _REST:
                rest = _REST[opening].match(text, end)
                if rest is None:
                    raise _open(opening)
                kind, end = "quoted" if opening in _NAMES else "text", rest.end()
            elif opening in _CLOSED_BY:
                kind, end = "quoted" if opening in _NAMES else "text", _after(text, _CLOSED_BY[opening], end)
            else:
                if last is None:
                    last = {tag.group(1): tag.start() for tag in _TAG.finditer(text, 0, LONGEST)}
                if last.get(opening, 0) < end:  # refused here: the engine's own lexer would look for each to the end
                    raise _open(opening)
                kind, end = "text", _after(text, opening, end)
        yield kind, at, end
        at = end


def _after(text: bytes, closing: bytes, at: int) -> int:
    """Return the place after what closes a quote or comment."""
    found = text.find(closing, at)
    if found < 0:
        raise _open(closing)
    return found + len(closing)


def _open(quote: bytes) -> ClickHouseError:
    return ClickHouseError(62, "SYNTAX_ERROR", f"Syntax error: the statement ends before {quote.decode()}")


def quote_name(name: str) -> str:
    """Put an identifier in backquotes."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: AnyStr) -> AnyStr:
    """Write a string literal."""
    if isinstance(text, str):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"
    return b"'" + text.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0") + b"'"
