"""What a statement is, as far as a server must know before it runs it: its first word, its FORMAT, where its data begins.

Follows ClickHouse's own lexer (src/Parsers/Lexer.cpp) in what is not code: '…', "…" and `…` with backslashes or
doubled quotes, the same in curly quotes, comments (--, #, /* … */) and $tag$ … $tag$ heredocs. A `$` inside a word
belongs to the word. Where the two could differ, this one sees more code, never less.
"""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    rb"""(?P<gap>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?(?:\*/|\Z))
       |(?P<text>'(?:[^'\\]|\\.|'')*'|\xe2\x80\x98.*?\xe2\x80\x99|(?P<tag>\$\w*\$).*?(?P=tag))
       |(?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`|\xe2\x80\x9c.*?\xe2\x80\x9d)
       |(?P<word>[A-Za-z_][\w$]*)
       |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_QUOTES = b'"`\xe2\x80\x9c\x9d'
_GAP_BEFORE_DATA = re.compile(rb"[ \t\f]*\r?\n?")  # ParserInsertQuery: blanks, then one line end

ROWS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "KILL", "FROM"})
"""First words of statements that answer with rows."""

READS = ROWS - {"KILL", "CHECK"} | {"USE", "SET"}
"""First words open to a user who may only read."""

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
    calls: set[str] = field(default_factory=set)
    """Names before an opening bracket, in small letters."""
    names_server_file: bool = False
    """INTO OUTFILE or FROM INFILE: the client's business in ClickHouse, never the server's."""
    changes_session: bool = False
    """SET, USE, or a temporary table: it has an effect only on the session it is said in."""

    @property
    def answers_with_rows(self) -> bool:
        """Whether the answer is a table."""
        return self.first_word in ROWS

    @property
    def without_format(self) -> bytes:
        """The statement up to its FORMAT clause or its data."""
        return self.text[: self.data_at if self.format_at is None else self.format_at]


def read_statement(text: bytes) -> Statement:
    """Read a statement; of an INSERT with data only the part before the data, which may be binary."""
    statement = Statement(text)
    depth = 0
    word = before = b""
    word_at = 0
    name: bytes | None = None  # the token just before, if it can be a function's name
    is_select = False
    is_settled = False  # the FORMAT clause was followed by what may follow it
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "gap":
            continue
        piece = token.group()
        if statement.format_at is not None and depth == 0 and not is_settled:
            is_settled = piece == b";" or piece.upper() in _AFTER_FORMAT
            if not is_settled:  # not the last clause, so `format` was a column's name
                statement.format = statement.format_at = None
        if kind == "other":
            if piece == b"(" and name is not None:
                statement.calls.add(name.decode(errors="replace").lower())
            depth += {b"(": 1, b")": -1}.get(piece, 0)
        name = piece.strip(_QUOTES) if kind in {"word", "quoted"} else None
        if kind != "word":
            before, word = word, b""
            continue
        before, before_at, word, word_at = word, word_at, piece.upper(), token.start()
        statement.first_word = statement.first_word or word.decode()
        if (before, word) in {(b"INTO", b"OUTFILE"), (b"FROM", b"INFILE")}:
            statement.names_server_file = True
        if before in {b"CREATE", b"DROP"} and word == b"TEMPORARY":
            statement.changes_session = True
        if depth:
            continue
        is_insert = statement.first_word == "INSERT" and not is_select
        if before == b"FORMAT" and not is_settled:
            statement.format, statement.format_at = piece.decode(), before_at
            if is_insert:
                gap = _GAP_BEFORE_DATA.match(text, token.end())
                statement.data_at = token.end() if gap is None else gap.end()
                return statement
        elif is_insert and word == b"VALUES" and before not in {b"INTO", b"TABLE"}:
            statement.format, statement.format_at, statement.data_at = "Values", token.start(), token.end()
            return statement
        elif is_insert and word in {b"SELECT", b"WITH"}:
            is_select = True
    statement.changes_session = statement.changes_session or statement.first_word in {"SET", "USE"}
    if statement.first_word == "INSERT" and not is_select:
        statement.data_at = len(text)
    return statement


def quote_name(name: str) -> str:
    """Put an identifier in backquotes."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    """Write a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
