"""Events that a schema allows and no venue means, put straight onto a topic: each is taken or refused, and the state is kept."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.__main__ import begin_of as build_candles
from processors.detect_gaps.__main__ import begin_of as detect_gaps
from processors.engine.stage import NewTask
from processors.engine.transport import Batch
from processors.rebuild_books.__main__ import begin_of as rebuild_books
from schemas.catalogue import event
from schemas.codec import Codec
from tests.examples import examples
from tests.pipeline.hostile import Messages
from tests.processors.desk import Desk, Fetched, KnownSchemas, batch, messages
from topology.settings import Settings
from topology.topics import all_topics

SECOND = 1_000_000
NOW = 1_790_000_000_000_000
NAMES = ("trade", "book_delta", "frame_run", "gap")
WORKS: list[tuple[Callable[..., NewTask], str]] = [
    (build_candles, "trade"),
    (detect_gaps, "trade"),
    (detect_gaps, "book_delta"),
    (detect_gaps, "frame_run"),
    (detect_gaps, "gap"),
    (rebuild_books, "book_delta"),
]
TRADE = {
    "venue": "binance",
    "symbol": "HOSTILE",
    "origin": "live",
    "connection_id": "c",
    "connection_sequence": 1,
    "received_at": NOW,
    "trade_id": "1",
    "sequence": 1,
    "price": b"\1",
    "size": b"\1",
    "side": "buy",
    "event_time": NOW,
}


class Table(Desk):
    """A desk that sees that each event can be written."""

    def __init__(self) -> None:
        super().__init__()
        self._codecs: dict[str, Codec] = {}

    def publish(self, name: str, record: Mapping[str, Any]) -> None:
        """Encode an event and keep it."""
        if name not in self._codecs:
            self._codecs[name] = Codec(event(name), 1)
        self._codecs[name].encode(dict(record))
        super().publish(name, record)

    def publish_many(self, made: Iterator[tuple[str, Mapping[str, Any]]]) -> None:
        """Publish several."""
        for name, record in made:
            self.publish(name, record)

    def refuse(self, _batch: Batch, offset: int, _reason: str, *, suspect: bool = True) -> None:
        """Keep a refusal."""
        del suspect
        self.refused.append(offset)


def kept(entries: Mapping[str, bytes], dump: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Return the entries of a state after one more dump."""
    return {name: data for name, data in {**entries, **dump}.items() if data is not None}


@pytest.mark.parametrize(("begin_of", "name"), WORKS, ids=[f"{begin.__module__.split('.')[1]}-{name}" for begin, name in WORKS])
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.sampled_from((1, 3, 50)), min_size=1, max_size=5))
@examples(40)
def test_a_state_outlives_whatever_a_schema_allows(begin_of: Callable[..., NewTask], name: str, seed: int, sizes: list[int]) -> None:
    """No event of extreme numbers and texts is a fault, raises by the clock, in a dump or to a new owner; what is made fits its schema."""
    chance = random.Random(seed)
    begin = begin_of(Settings(), KnownSchemas(name))
    codecs = {topic: Codec(event(topic), 1) for topic in NAMES}
    hostile = Messages({topic: event(topic) for topic in NAMES}, {topic: codec.encode for topic, codec in codecs.items()}, chance)
    topic = event(name).topic.of()
    entries: dict[str, bytes] = {}
    task, desk, offset = begin(topic, 0, entries), Table(), 0
    for size in sizes:
        fetched: list[Any] = [Fetched(offset + n, hostile.good(name), timestamp=NOW // 1000) for n in range(size)]
        task.apply(Batch(fetched, topic=topic, partition=0, first=offset, end=offset + size, generation=1), desk)  # type: ignore[arg-type]
        offset += size
        task.tick(NOW + chance.choice((0, 10, 100_000)) * SECOND, desk)  # type: ignore[arg-type]
        entries = kept(entries, task.dump())
        if chance.random() < 0.5:
            task = begin(topic, 0, entries)
    assert desk.faults == []


@pytest.mark.parametrize("far", [{"event_time": -(2**63)}, {"received_at": -(2**63)}, {"received_at": 2**63 - 1}, {"sequence": -(2**63)}])
@pytest.mark.parametrize("among", [1, 60])
def test_a_number_at_the_end_of_its_type(far: dict[str, int], among: int) -> None:
    """A trade of such a time or id is refused alone, by itself and in a block of columns; the state is kept, and the others count."""
    known: Any = KnownSchemas("trade")
    task = detect_gaps(Settings(), known)("trades", 0, {})
    trades = [{**TRADE, "trade_id": str(n), "sequence": n} for n in range(among)]
    trades[among // 2] |= far
    desk = Table()
    task.apply(batch("trade", trades), desk)  # type: ignore[arg-type]
    assert (desk.refused, desk.faults) == ([among // 2], [])
    task.dump()


@pytest.mark.parametrize("name", sorted({one.name for one in all_topics().values()}))
@given(seed=st.integers(0, 2**32))
@examples(12)
def test_a_block_is_read_as_its_messages_are(name: str, seed: int) -> None:
    """By columns or one by one, with rubbish among them, the same rows come out, and the same messages are refused."""
    chance = random.Random(seed)
    codec = Codec(event(name), 1)
    hostile = Messages({name: event(name)}, {name: codec.encode}, chance)
    values: list[bytes | None] = [hostile.good(name) for _ in range(50)]
    for _ in range(chance.choice((0, 1, 3))):
        values[chance.randrange(50)] = chance.choice((hostile.noise, hostile.torn, hostile.truncated, hostile.longer))(name).data
    fields = [field["name"] for field in event(name).fields]
    reader = messages(name)
    together = [None if isinstance(row, Exception) else row for row in reader.rows(values, fields)]
    alone = [None if isinstance(row, Exception) else row for value in values for row in reader.rows([value], fields)]
    assert together == alone
