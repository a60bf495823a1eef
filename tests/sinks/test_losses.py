"""Records that the broker deleted before the sink had read them, and topics made anew: each is a gap, and nothing else is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from local import Addresses
from schemas.catalogue import event
from sinks.clickhouse import lane, reader
from sinks.clickhouse.batch import Place
from sinks.clickhouse.block import Blocks
from sinks.clickhouse.lane import Lane
from sinks.clickhouse.positions import Loss
from sinks.clickhouse.writer import Writer
from tests import topics
from tests.damaged import SPOILS, SPOILS_OF_LIBRDKAFKA, blocks, cases
from tests.sinks.market import TRADE, encoded, ids
from tests.sinks.stages import Run, at_work, eventually, lag, publish
from tests.sinks.tables import Tables
from topology.errors import Retry
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import Descriptions, create

PARTITIONS = TRADE.topic.partitions


class Topic:
    """A run's topic at the broker: how far it goes, and what happens to it."""

    def __init__(self, run: Run) -> None:
        (self.name,) = run.topics
        self._kafka = Kafka(brokers=run.kafka)
        self._group = run.group
        self._admin = AdminClient({"bootstrap.servers": run.kafka})

    def ends(self) -> dict[int, int]:
        """Return the offset after the last record of each partition."""
        consumer = Consumer({"bootstrap.servers": self._kafka.brokers, "group.id": "none"})
        try:
            return {number: consumer.get_watermark_offsets(TopicPartition(self.name, number), 20)[1] for number in range(PARTITIONS)}
        finally:
            consumer.close()

    def cut(self, ends: dict[int, int]) -> None:
        """Delete the records before an offset of each partition, as retention does."""
        for future in self._admin.delete_records([TopicPartition(self.name, number, end) for number, end in ends.items()]).values():
            future.result(20)

    def renew(self) -> None:
        """Delete the topic and make another of its name."""
        before = self.topic_id()
        self._admin.delete_topics([self.name])[self.name].result(20)

        def made() -> bool:
            create(self._kafka, {self.name: TRADE})  # the old one may still be on its way out
            return self.topic_id() not in ("", before)

        eventually(made, "the new topic")

    def topic_id(self) -> str:
        """Return the id the broker gave it."""
        described = Descriptions(self._kafka).of([self.name])
        return described[self.name].topic_id if described else ""

    def commit(self, ends: dict[int, int], topic_id: str) -> None:
        """Commit offsets as the sink does that read the topic of an id."""
        consumer = Consumer({"bootstrap.servers": self._kafka.brokers, "group.id": self._group})
        try:
            offsets = [TopicPartition(self.name, number, end, topic_id) for number, end in ends.items()]
            consumer.commit(offsets=offsets, asynchronous=False)
        finally:
            consumer.close()


@pytest.fixture
def topic(run: Run) -> Topic:
    """Give the topic of the run."""
    return Topic(run)


def losses(run: Run) -> dict[int, list[Loss]]:
    """Return the losses told of the run's topic, by partition; a loss that was told twice is one gap, and is here once."""
    codec = Registry(RegistrySettings(url=run.registry)).codec("gaps", event("gap"))
    told: dict[str, Any] = {}
    for record in topics.records(run.kafka, "gaps"):
        gap = codec.decode(record.value())
        if next(iter(run.topics)) in gap["gap_id"]:
            assert gap["state"] == "unfillable"
            told[gap["gap_id"]] = gap
    found: dict[int, list[Loss]] = {}
    for gap_id, gap in told.items():
        _, _, partition, first, end, _ = gap_id.split("|")
        counted = None if first == end else (int(first), int(end) - 1)
        assert counted == (None if gap["from_sequence"] is None else (gap["from_sequence"], gap["to_sequence"]))
        found.setdefault(int(partition), []).append(Loss(int(first), int(end), gap["cause"]))
    return found


def read_to_the_end(run: Run) -> Callable[[], bool]:
    """Return what says whether everything of the run's topic is committed."""
    (name,) = run.topics
    return lambda: lag(run.kafka, run.group, name, PARTITIONS) == 0


def read(store: Tables, run: Run, numbers: range) -> None:
    """Publish trades and let a sink read them, and end."""
    publish(run.kafka, next(iter(run.topics)), encoded(store, numbers))
    with at_work(run):
        eventually(read_to_the_end(run), f"the trades {numbers}")


def test_retention_that_passes_a_sink_that_rests(store: Tables, run: Run, topic: Topic) -> None:
    """What was deleted while no sink ran is a gap of exactly those offsets, each partition its own; all that is left is in the table."""
    read(store, run, range(400))
    owed = topic.ends()
    publish(run.kafka, topic.name, encoded(store, range(400, 900)))
    begin = {number: end - 20 for number, end in topic.ends().items()}
    topic.cut(begin)
    with at_work(run):
        eventually(read_to_the_end(run), "what is left")
    assert losses(run) == {number: [Loss(owed[number], begin[number], "retention")] for number in range(PARTITIONS)}
    assert len(ids(store)) == 400 + 20 * PARTITIONS


def test_a_topic_that_is_emptied(store: Tables, run: Run, topic: Topic) -> None:
    """Where retention leaves nothing, the gap ends where the topic does, and what comes then follows it."""
    read(store, run, range(100))
    owed = topic.ends()
    publish(run.kafka, topic.name, encoded(store, range(100, 200)))
    ends = topic.ends()
    topic.cut(ends)
    with at_work(run):
        publish(run.kafka, topic.name, encoded(store, range(200, 300)))
        eventually(lambda: len(ids(store)) == 200, "what came then")
        eventually(read_to_the_end(run), "the commit")
    assert losses(run) == {number: [Loss(owed[number], ends[number], "retention")] for number in range(PARTITIONS)}
    assert ids(store) == [*range(100), *range(200, 300)]


def test_retention_that_passes_a_table_that_is_held(store: Tables, run: Run, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a held table was owed and that retention deletes meanwhile are a gap once it is mended; it goes on after them."""
    monkeypatch.setattr(lane, "LONGEST_HOLD", 1.0)
    mended, pack = False, Blocks.pack

    def packing(self: Blocks, values: Any) -> bytes:
        if not mended:
            raise KeyError("price")
        return pack(self, values)

    mend = Lane.mend
    read(store, run, range(100))
    owed = topic.ends()
    monkeypatch.setattr(Blocks, "pack", packing)
    monkeypatch.setattr(Lane, "mend", lambda self: mend(self) if mended else None)  # a trial that began before would have rows in hand
    with at_work(run) as sink:
        publish(run.kafka, topic.name, encoded(store, range(100, 500)))
        eventually(lambda: topic.name in sink.waiting, "the table to be held")
        held = sink._lanes[topic.name]
        eventually(lambda: all(future.done() for future in held._abandoned), "what was under way to end")
        begin = {number: end - 10 for number, end in topic.ends().items()}
        topic.cut(begin)
        mended = True
        eventually(read_to_the_end(run), "what is left")
        eventually(lambda: sink.waiting == "", "the health to be well")
    assert losses(run) == {number: [Loss(owed[number], begin[number], "retention")] for number in range(PARTITIONS)}
    assert len(ids(store)) == 100 + 10 * PARTITIONS


def test_retention_that_passes_a_table_that_waits(store: Tables, run: Run, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a waiting table has read goes in, what was deleted unread is a gap: each row is in one of them."""
    waits, block = True, Writer._block

    def inserting(self: Writer, *arguments: Any) -> None:
        if waits:
            raise Retry("too many parts: merges must catch up", after=0.1)
        block(self, *arguments)

    monkeypatch.setattr(Writer, "_block", inserting)
    publish(run.kafka, topic.name, encoded(store, range(100)))
    with at_work(run) as sink:
        eventually(lambda: "too many parts" in sink.waiting and sink.paused, "the table to wait")
        publish(run.kafka, topic.name, encoded(store, range(100, 500)))
        begin = {number: end - 10 for number, end in topic.ends().items()}
        topic.cut(begin)
        waits = False
        eventually(read_to_the_end(run), "what is left")
    told = losses(run)
    assert {number: [loss.end for loss in found] for number, found in told.items()} == {number: [end] for number, end in begin.items()}
    assert len(ids(store)) + sum(loss.end - loss.first for (loss,) in told.values()) == 500


@pytest.mark.parametrize("more", [20, 600], ids=["shorter than before", "longer than before"])
def test_a_topic_made_anew_under_a_running_sink(store: Tables, run: Run, topic: Topic, more: int) -> None:
    """It is read from its first record, however far the old one went; of the old one no more is claimed than was surely read."""
    with at_work(run):
        publish(run.kafka, topic.name, encoded(store, range(200)))
        eventually(read_to_the_end(run), "the first trades")
        owed = topic.ends()
        topic.renew()
        publish(run.kafka, topic.name, encoded(store, range(1_000, 1_000 + more)))
        eventually(lambda: len(ids(store)) == 200 + more, "all trades of the new topic")
        eventually(read_to_the_end(run), "the commit")
        eventually(lambda: len(losses(run)) == PARTITIONS, "the gaps")
    for number, (loss,) in losses(run).items():
        assert loss.cause == "topic_reset"
        assert loss.first == loss.end <= owed[number]
    assert ids(store) == [*range(200), *range(1_000, 1_000 + more)]


@pytest.mark.parametrize(("asked", "committed", "surely"), [(None, None, 0), (None, 12, 12), (40, 12, 40)])
def test_what_is_claimed_of_a_topic_that_was_looked_at_once(asked: int | None, committed: int | None, surely: int) -> None:
    """Of what was read since somebody last saw that the topic is the same nothing is claimed: it may be the new one's."""
    place, told = ("trades", 0), list[tuple[Place, Loss]]()

    class Known:
        """A consumer, as far as a look asks it."""

        def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
            assert timeout
            return [TopicPartition(one.topic, one.partition, -1001 if committed is None else committed) for one in places]

        def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
            return 0, 200

        def incremental_assign(self, _: list[TopicPartition]) -> None:
            pass

        incremental_unassign = resume = incremental_assign

    lost, restarted = (lambda *loss: told.append(loss)), (lambda *_, **__: True)
    reading = reader.Reader(Known(), ["trades"], lambda _: {}, lost, restarted, lambda: None, lambda _: None, lambda *_: 0)
    reading._assigned(reading._consumer, [TopicPartition("trades", 0)])
    reading._asked = {place: asked}
    reading._judge({"trades": "the old one"})
    reading._positions.expect(place, 163)
    reading._judge({"trades": "the new one"})
    assert told == [(place, Loss(surely, surely, "topic_reset"))]


def test_commits_of_a_topic_that_is_gone(store: Tables, run: Run, topic: Topic) -> None:
    """An offset that was committed of another topic of the name is not believed, though the new one has a record there."""
    publish(run.kafka, topic.name, encoded(store, range(200)))
    old = topic.topic_id()
    topic.renew()
    publish(run.kafka, topic.name, encoded(store, range(1_000, 1_600)))
    owed = dict.fromkeys(range(PARTITIONS), 25)
    topic.commit(owed, old)
    with at_work(run):
        eventually(read_to_the_end(run), "the new topic")
    assert losses(run) == {number: [Loss(25, 25, "topic_reset")] for number in range(PARTITIONS)}
    assert ids(store) == list(range(1_000, 1_600))


def test_what_was_never_read_is_no_loss(store: Tables, run: Run, topic: Topic) -> None:
    """A sink that begins with a topic whose first records are gone owes nobody anything, nor does one that commits in the topic's name."""
    publish(run.kafka, topic.name, encoded(store, range(400)))
    topic.cut(dict.fromkeys(range(PARTITIONS), 30))
    with at_work(run):
        eventually(read_to_the_end(run), "what is left")
    read(store, run, range(400, 500))
    assert losses(run) == {}


def test_nothing_is_committed_before_the_topic_is_known(store: Tables, run: Run, topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker does not say which topic it is, rows go in and their offsets wait."""
    read(store, run, range(100))
    describe, silent = Descriptions.of, True

    def describing(self: Descriptions, names: Any) -> Any:
        return {} if silent else describe(self, names)

    monkeypatch.setattr(Descriptions, "of", describing)
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.1)
    publish(run.kafka, topic.name, encoded(store, range(100, 300)))
    with at_work(run):
        eventually(lambda: len(ids(store)) == 300, "the rows")
        assert lag(run.kafka, run.group, topic.name, PARTITIONS) == 200
        silent = False
        eventually(read_to_the_end(run), "the commit")


@pytest.mark.parametrize(
    ("where", "spoil"), cases({"middle": 3, "last": -1}, SPOILS_OF_LIBRDKAFKA, {("middle", "checksum"), ("last", "checksum")})
)
def test_a_damaged_block_is_a_gap_and_all_else_is_in_the_table(
    store: Tables, run: Run, own_files: Addresses, spoil: str, where: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the broker's disk has damaged is a gap of its offsets, in its last block too; every other row is in, and what comes then.

    A wrong format alone may leave the records as they are.
    """
    assert own_files.kafka == run.kafka, "a broker whose files are on this machine (TIDEWIRE_TEST_STACK=embedded)"
    monkeypatch.setattr(reader, "QUIET_SECONDS", 1.0)
    topic = Topic(run)
    for start in range(0, 1200, 200):
        publish(run.kafka, topic.name, encoded(store, range(start, start + 200)))
    block = blocks(run.kafka, topic.name)[where]
    SPOILS[spoil](block)
    with at_work(run):
        eventually(read_to_the_end(run), "what can be read")
        publish(run.kafka, topic.name, encoded(store, range(1200, 2000)))
        eventually(read_to_the_end(run), "what came then")
    told = losses(run)
    assert {loss.cause for found in told.values() for loss in found} <= {"corrupt"}
    gone = {offset for loss in told.get(0, []) for offset in range(loss.first, loss.end)}
    assert set(range(block.first, block.end)) <= gone or "format" in spoil
    assert len(gone) <= 4 * (block.end - block.first) + 200
    assert len(ids(store)) == 2000 - len(gone)
