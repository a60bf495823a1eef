"""Recorded sessions of Binance spot and Kraken in a folder, found by what is in the files, as frames of our own.

Four forms are known; a file in another form, or of another venue or market, is passed over.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cramjam

from dialects.contract import Frame
from tests.dialects.recorded import cryptofeed_log
from tests.dialects.test_full_recordings import second_version
from tests.pipeline.raw import frame

TRADES = {"aggTrade": "a", "trade": "t"}
READ = {"aggTrade", "trade", "depthUpdate", "bookTicker"}
Ids = set[tuple[str, int]]


@dataclass
class Session:
    """One recording: its frames, and what they hold by a count that uses nothing of ours.

    `trades` are (symbol, id), `deltas` the number of book messages, `books` the symbols whose book can be verified,
    `strange` the places of frames of a type that we do not read.
    """

    venue: str
    name: str
    frames: list[Frame] = field(default_factory=list)
    trades: Ids = field(default_factory=set)
    deltas: int = 0
    books: set[str] = field(default_factory=set)
    strange: list[int] = field(default_factory=list)

    @property
    def connection_id(self) -> str:
        """The connection its frames are put on."""
        return f"{self.venue}-recorded-{self.name}"

    def add(self, text: str, received_at: int, request: str | None = None) -> None:
        """Append a frame."""
        self.frames.append(frame(self.venue, self.connection_id, len(self.frames) + 1, text, received_at, request))


def sessions(folder: Path) -> list[Session]:
    """Return every session in a folder, the oldest first."""
    found = [session for path in sorted(folder.rglob("*")) if path.is_file() for session in _read(path)]
    return sorted(found, key=lambda session: session.frames[0].received_at)


def _read(path: Path) -> Iterator[Session]:
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = bytes(cramjam.zstd.decompress(data))
    elif path.suffix not in {".json", ".jsonl"}:
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    forms: tuple[Callable[[Session, str], None], ...] = (_binance_log, _kraken_log, _binance_lines, _kraken_lines, _kraken_reply)
    for form in forms:
        session = Session("binance" if "binance" in form.__name__ else "kraken", path.name.split(".")[0])
        form(session, text)
        if session.frames:
            yield session
            return


def _binance_log(session: Session, text: str) -> None:
    if not re.search(r"^wss://stream\.binance\.", text, re.MULTILINE):
        return
    for received_at, address, body in cryptofeed_log(text):
        if address is None:
            _take_binance(session, body, json.loads(body).get("data", {}), received_at)
        elif asked := re.search(r"/depth\?symbol=(\w+)&limit=\d+$", address):
            session.books.add(asked[1])
            session.deltas += 1
            session.add(body, received_at, f"GET /api/v3{asked[0]}")


def _binance_lines(session: Session, text: str) -> None:
    for line in text.splitlines():
        event = _object(line)
        if event.get("e") not in {*READ, "kline"} or "pu" in event or "E" not in event:
            return
        _take_binance(session, line, event, event["E"] * 1000)


def _take_binance(session: Session, text: str, event: dict[str, Any], received_at: int) -> None:
    kind = event.get("e", "bookTicker")
    session.add(text, received_at)
    if kind in TRADES:
        session.trades.add((event["s"], event[TRADES[kind]]))
    elif kind == "depthUpdate":
        session.deltas += 1
    elif kind not in READ:
        session.strange.append(len(session.frames) - 1)


def _kraken_log(session: Session, text: str) -> None:
    """Read a v1 session's books, each message in its v2 form: what v1 says once (scales) or not (the snapshot's checksum) is added.

    The dialect subscribes to 100 levels and cuts its books there; where a session has 1000, that is enough for the best ten.
    """
    if not re.search(r"^wss://ws\.kraken\.com", text, re.MULTILINE):
        return
    for received_at, _, body in cryptofeed_log(text):
        if not body.startswith("["):
            continue
        message = json.loads(body)
        if not str(message[-2]).startswith("book"):
            continue
        symbol, session.deltas = message[-1], session.deltas + 1
        if "as" in message[1]:
            session.books.add(symbol)
            price, size = (len(message[1]["as"][0][place].partition(".")[2]) for place in (0, 1))
            pair = {"symbol": symbol, "base": symbol, "quote": "", "status": "online", "price_precision": price, "qty_precision": size}
            session.add(json.dumps({"channel": "instrument", "type": "snapshot", "data": {"assets": [], "pairs": [pair]}}), received_at)
            message[1]["c"] = _checksum(message[1])
        session.add(second_version(message), received_at)


def _checksum(snapshot: dict[str, Any]) -> int:
    """Return the CRC32 of the ten best levels, as docs.kraken.com tells: asks then bids, price then size, no point, no leading zeros."""
    levels = [*snapshot["as"][:10], *snapshot["bs"][:10]]
    return zlib.crc32("".join(text.replace(".", "").lstrip("0") for level in levels for text in level[:2]).encode())


def _kraken_lines(session: Session, text: str) -> None:
    for number, line in enumerate(text.splitlines()):
        message = _object(line)
        if message.get("channel") not in {"book", "trade"} or not isinstance(message.get("data"), list):
            return
        session.add(line, 1_700_000_000_000_000 + number)
        if message["channel"] == "trade":
            session.trades |= {(one["symbol"], one["trade_id"]) for one in message["data"]}
        else:
            session.deltas += len(message["data"])


def _kraken_reply(session: Session, text: str) -> None:
    document = _object(text)
    if document.get("error") != [] or not isinstance(document.get("result"), dict) or "last" not in document["result"]:
        return
    for pair, rows in document["result"].items():
        if isinstance(rows, list) and rows and len(rows[0]) == 7:
            session.trades |= {(pair, row[6]) for row in rows}
            session.add(text, int(float(rows[-1][2]) * 1e6), f"GET /0/public/Trades?pair={pair}&since=0&count=1000")


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
