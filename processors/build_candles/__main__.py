"""`python -m processors.build_candles`: trades → candles of every interval, provisional, final and revised."""

from collections.abc import Callable, Mapping

from processors.build_candles import STAGE
from processors.build_candles.builder import Builder, Outdated
from processors.build_candles.settings import Settings as CandleSettings
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.engine.stage import NewTask, main
from processors.engine.transport import Batch
from schemas.block_reader import Block
from schemas.catalogue import Schema, event
from topology import metrics
from topology.clock import now as wall_clock
from topology.errors import Fatal, Reject
from topology.registry import Registry
from topology.settings import Settings

SECOND = 1_000_000


class BuildCandles:
    """The candles of one partition of trades."""

    def __init__(
        self, messages: Messages, writer_of: Callable[[int], Schema], settings: CandleSettings, entries: Mapping[str, bytes]
    ) -> None:
        self._messages = messages
        self._builder = Builder(writer_of, settings)
        try:
            self._builder.restore(entries)
        except Outdated as error:
            raise Fatal(
                f"the state of candles is of another version: {error}. Stop it, and `tidewire rewind {STAGE.name} --forget`"
            ) from error

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Count a batch of trades and publish the candles that makes."""
        time = wall_clock()
        block = Block([message.value or b"" for message in batch], batch.offsets)
        built = self._builder.apply(block, time)
        output.publish_many(("candle", candle) for candle in built.candles)
        for one in built.uncounted:
            output.refuse(batch, one.offset, f"{one.reason} (intervals {', '.join(one.intervals)})", suspect=False)
        for refused in built.rejected:
            output.refuse(batch, refused.offset, refused.reason)
        for venue, count in built.skewed.items():
            metrics.skewed_trades.labels(venue).inc(count)
        last = next(self._messages.records(block.values[-1:]), None)
        return last["received_at"] if isinstance(last, dict) else None

    def tick(self, now: int, output: Output) -> None:
        """Publish what is due by the clock."""
        output.publish_many(("candle", candle) for candle in self._builder.tick(now))

    def dump(self) -> Mapping[str, bytes | None]:
        """Return what changed, in the order in which it must be written."""
        return dict(self._builder.changes())


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the topic of trades."""
    return (event("trade").topic.of(),)


def begin_of(settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    candles = settings.candles
    chosen = CandleSettings(
        grace=int(candles.grace_seconds * SECOND),
        every=int(candles.provisional_seconds * SECOND),
        idle=int(candles.idle_seconds * SECOND),
        skew=int(candles.skew_seconds * SECOND),
        ids=int(candles.ids_seconds * SECOND),
    )

    messages = Messages(event("trade"), registry, bytes)

    def writer_of(number: int) -> Schema:
        try:
            return messages.codec(number).writer
        except Reject as error:
            raise LookupError(str(error)) from error

    return lambda _topic, _partition, entries: BuildCandles(messages, writer_of, chosen, entries)


if __name__ == "__main__":
    main("build_candles", topics_of, begin_of, background=STAGE.background)
