"""The rules of venues that are spoken of nowhere else yet, on what those venues have really sent."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson
import pytest

from dialects import rules
from dialects.continuity import Finding, Place, Rule, Step
from dialects.judge import judge
from tests.dialects.recorded import full_cryptofeed, needs_full


class Seen(NamedTuple):
    """One message of a book: its book's name, and what it says of continuity."""

    book: str
    step: Step


Reading = Callable[[dict[str, Any], int, str | None], Iterator[Seen]]


def deribit(message: dict[str, Any], at: int, _address: str | None) -> Iterator[Seen]:
    """Read `book.{instrument}.{interval}`."""
    params = message.get("params", {})
    data = params.get("data")
    if isinstance(data, dict) and "change_id" in data:
        number, previous = data["change_id"], data.get("prev_change_id")
        yield Seen(params["channel"], Step(number, number, "a", at, data["timestamp"] * 1000, 0, 0, previous, previous is None))


def futures(message: dict[str, Any], at: int, address: str | None) -> Iterator[Seen]:
    """Read `@depth` of Binance's futures, and the answers to /depth."""
    if address is not None and "lastUpdateId" in message:
        last = message["lastUpdateId"]
        yield Seen(address.split("symbol=")[1].split("&")[0], Step(last, last, "a", at, is_snapshot=True))
    data = message.get("data", {})
    if isinstance(data, dict) and "pu" in data:
        yield Seen(data["s"], Step(data["U"], data["u"], "a", at, data["E"] * 1000, previous=data["pu"]))


SESSIONS: list[tuple[str, Rule, Reading]] = [
    ("DERIBIT-5dd9ce.0.zst", rules.DERIBIT_BOOK, deribit),
    ("BINANCE_FUTURES-1125a2.0.zst", rules.BINANCE_FUTURES_BOOK, futures),
    ("BINANCE_DELIVERY.ws.7.0.zst", rules.BINANCE_FUTURES_BOOK, futures),
]


@needs_full
@pytest.mark.parametrize(("name", "rule", "reading"), SESSIONS, ids=[name for name, _, _ in SESSIONS])
def test_a_real_session_is_whole_and_what_is_taken_from_it_is_told(name: str, rule: Rule, reading: Reading) -> None:
    """As recorded, no hole, no reset, nothing suspect; with one message of a book taken out, one hole is told where it was."""
    books: dict[str, list[Step]] = {}
    for at, address, body in full_cryptofeed(name):
        message = orjson.loads(body)
        if isinstance(message, dict):
            for seen in reading(message, at, address):
                books.setdefault(seen.book, []).append(seen.step)
    assert books
    holes = 0
    for steps in books.values():
        assert set(findings(rule, steps)) <= {Finding.NEXT, Finding.REPEAT}
        for place in range(2, len(steps) - 1):
            if findings(rule, steps)[place - 1 : place + 2] == [Finding.NEXT] * 3 and not steps[place].is_snapshot:
                told = findings(rule, [*steps[:place], *steps[place + 1 :]])
                assert told.count(Finding.HOLE) == 1
                assert told.index(Finding.HOLE) == place
                holes += 1
                break
    assert holes


def findings(rule: Rule, steps: list[Step]) -> list[Finding]:
    """Return what each step is."""
    place: Place | None = None
    found: list[Finding] = []
    for step in steps:
        verdict = judge(rule, place, step)
        place = verdict.place
        found.append(verdict.finding)
    return found
