"""Where a damaged log can be read again, asked of the broker itself by raw fetches: for readers whose next block does not come sound.

A block (a producer's batch as it lies on the broker's disk) has a checksum over all but its first 21 bytes: its offset, length and format
are guarded by nothing. So damage shows in three ways: a checksum is wrong; the broker can't find its way past a length that is not true,
and answers with an error or, for ever, with nothing; or a block says that it holds other offsets than were asked for. Behind a length
that is not true the broker finds its way again at the next entry of the segment's index (every 4096 bytes).
"""

import asyncio
from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import CorruptRecordException, KafkaError, NoError, OffsetOutOfRangeError, UnknownError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from topology.errors import Retry
from topology.login import aiokafka_connection
from topology.settings import Kafka

TIMES: Final = 3
"""Fetches of a block before it counts as damaged: a bad transfer passes, a bad disk does not."""
SECONDS_BETWEEN: Final = 0.3
QUIET_SECONDS: Final = 5.0
"""A reader that gets nothing for so long from a partition that has more looks for damage: of some the broker says nothing at all."""
WAIT_MS: Final = 50
FETCH_BYTES: Final = 1024 * 1024
ASK_SECONDS: Final = 10.0
FORMAT_AT: Final = 16
"""Where in a block the number of its format stands."""
NEWEST_FORMAT: Final = 2
LATEST: Final = -1


class Look(NamedTuple):
    """What the broker gave for one offset."""

    whole: bool
    """Whether a reader can begin there."""
    hints: tuple[int, ...] = ()
    """Where the log may go on behind what is damaged."""
    sure: bool = True
    """Whether it can only be damage; not so where the broker answers with an error that may have any cause."""


async def next_whole(look: Callable[[int], Awaitable[Look]], owed: int, end: int, pause: Callable[[], Awaitable[None]]) -> int:
    """Return the first offset from `owed` on at which a reader can begin; `end`, that of the log, where there is none before it.

    Looks at most three times at `owed`, and at some sixty offsets in all, whatever the log says. Between two damages that follow each
    other closely it may pass over what is sound. Retry where nothing can be read and that may be for another reason.
    """
    seen = Look(whole=True)
    for number in range(TIMES):
        if number:
            await pause()
        seen = await look(owed)
        if seen.whole or owed >= end:
            return owed
    for hint in sorted({hint for hint in seen.hints if owed < hint < end})[:TIMES]:
        if (await look(hint)).whole:
            return hint
    bad, step = owed, 1
    while bad < end - 1:
        at = min(bad + step, end - 1)
        if (await look(at)).whole:
            return await _first_between(look, bad, at)
        bad, step = at, step * 2
    if not seen.sure and not (await look(end)).whole:  # it fails for the log's end too, where there is nothing to read
        raise Retry(f"the broker gives nothing from offset {owed} on, and does not say why")
    return end


async def _first_between(look: Callable[[int], Awaitable[Look]], bad: int, whole: int) -> int:
    while whole - bad > 1:
        middle = (bad + whole) // 2
        if (await look(middle)).whole:
            whole = middle
        else:
            bad = middle
    return whole


def judge(buffer: bytes, offset: int, end: int, *, holes: bool) -> Look:
    """Say whether what a fetch at `offset` brought can be read. Pure.

    `end` is where the log ends; `holes`: offsets may be left out (compacted).
    """
    if offset >= end:
        return Look(whole=True)
    hints: list[int] = []
    blocks, place = MemoryRecords(buffer), 0
    while blocks.has_next():
        size = 12 + int.from_bytes(buffer[place + 8 : place + 12], "big", signed=True)
        try:
            block = blocks.next_batch()
            form = buffer[place + FORMAT_AT]
            sound = block is not None and form <= NEWEST_FORMAT and block.validate_crc()
        except Exception:  # noqa: BLE001 - aiokafka's C meets bytes that are not what they say with SystemError and others
            break
        first = block.base_offset if form == NEWEST_FORMAT else offset
        if place == 0:
            held = sound and first <= (end if holes else offset) and offset < block.next_offset
            if held and _unpacks(block):
                return Look(whole=True)
            hints.append(block.next_offset if block is not None else offset)
        if sound and first > offset:
            hints.append(first)
            break
        place += size
    return Look(whole=False, hints=tuple(hints))


def _unpacks(block: Any) -> bool:
    try:
        for _ in block:
            pass
    except Exception:  # noqa: BLE001 - the same
        return False
    return True


class Broker:
    """Raw fetches of one partition, on a connection of its own; used in one event loop."""

    def __init__(self, client: AIOKafkaClient, place: TopicPartition, *, holes: bool) -> None:
        self._client = client
        self._place = place
        self._holes = holes
        self.end = 0

    async def ask_end(self) -> None:
        """Learn where the log ends."""
        topic, partition = self._place
        answer = await self._send(OffsetRequest(-1, 0, [(topic, [(partition, LATEST)])]))
        _, code, *said = answer.topics[0][1][0]
        if (error := for_code(code)) is not NoError:
            raise error(self._place)
        self.end = said[-1]

    async def look(self, offset: int) -> Look:
        """Fetch at one offset."""
        topic, partition = self._place
        asked = [(topic, [(partition, offset, FETCH_BYTES)])]
        answer = await self._send(FetchRequest(WAIT_MS, 1, FETCH_BYTES, 0, asked))
        _, code, highwater, *rest = answer.topics[0][1][0]
        error = for_code(code)
        if error is NoError:
            return judge(bytes(rest[-1] or b""), offset, max(self.end, highwater), holes=self._holes)
        if error is OffsetOutOfRangeError:
            return Look(whole=True)  # no damage: the log begins behind it, or ends before it
        if error is CorruptRecordException:
            return Look(whole=False)
        if error is UnknownError:
            return Look(whole=False, sure=False)
        raise error(self._place)

    async def _send(self, request: Any) -> Any:
        node = self._client.cluster.leader_for_partition(self._place)
        if node in (None, -1):
            raise Retry(f"{self._place.topic}[{self._place.partition}] has no leader now")
        return await self._client.send(node, request)


async def readable_from(kafka: Kafka, topic: str, partition: int, owed: int, *, holes: bool = False) -> int:
    """Return from where a partition can be read: `owed` where nothing is the matter with it, else the next offset that can be had.

    What lies between is damaged on the broker's disk. `holes`: the topic is compacted. Retry where the broker does not say.
    """
    client = AIOKafkaClient(**aiokafka_connection(kafka), request_timeout_ms=int(ASK_SECONDS * 1000))
    broker = Broker(client, TopicPartition(topic, partition), holes=holes)
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        await broker.ask_end()
        return await next_whole(broker.look, owed, broker.end, lambda: sleep(SECONDS_BETWEEN))
    except KafkaError as error:
        raise Retry(f"the broker does not say what of {topic}[{partition}] can be read: {error}") from error
    finally:
        await client.close()


def readable_now(kafka: Kafka, topic: str, partition: int, owed: int) -> int:
    """Return the same, on a thread without an event loop."""
    return asyncio.run(readable_from(kafka, topic, partition, owed))
