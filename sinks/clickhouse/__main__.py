"""`python -m sinks.clickhouse`: write every topic whose event has a table; `--prepare`: create and check the tables, and end."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sinks.clickhouse import STAGE as DECLARED
from sinks.clickhouse.composition import compose, outlets_of
from sinks.clickhouse.stage import STAGE
from sinks.clickhouse.writer import Writer
from topology import log, private
from topology.access import ensure_allowed
from topology.clickhouse import connect
from topology.clickhouse_reactions import Refused
from topology.ending import words_of
from topology.errors import FATAL_CODE, Fatal, Retry
from topology.faults import Faults
from topology.grace import stopping
from topology.grants import grants
from topology.health import Health
from topology.kafka import ensure_reachable
from topology.memory import collect_rarely, share_arenas
from topology.registry import Registry
from topology.retry import Attempts, persist
from topology.secrets.audit import act_as
from topology.secrets.shipping import shipping
from topology.settings import Settings, load
from topology.terminal import printable
from topology.topics import all_topics, prepare

T = TypeVar("T")
TURNS = 10
"""How many times health.hang_seconds the loop may take for a turn: it asks brokers for offsets and to take some, and waits for each answer;
one that is away must not look like a hang."""


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Run until SIGTERM or SIGINT; return 0, or FATAL_CODE where a person must act."""
    try:
        act_as("clickhouse")
        settings = load()
        private.keep()
        share_arenas()
        collect_rarely()
        log.configure(settings.log, STAGE)
        stop = threading.Event()

        def end(*_: object) -> None:
            stopping.begin(settings.stop_seconds)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        run(settings, stop, prepare_only="--prepare" in arguments)
    except Fatal as error:
        print(f"{STAGE}: {words_of(error)}", file=sys.stderr)
        return FATAL_CODE
    except Retry as error:
        print(f"{STAGE}: stopped while it waited: {printable(str(error), lines=True)}", file=sys.stderr)
    return 0


def run(settings: Settings, stop: threading.Event, *, prepare_only: bool = False) -> None:
    """Compose the sink and run it until `stop` is set; it waits for ClickHouse and the registry where they are away."""
    topics = {name: event for name, event in all_topics().items() if event.stored and event.name not in settings.sink.skip}
    registry = Registry(settings.registry)
    faults = Faults(STAGE)
    writer = Writer(settings.clickhouse, registry, topics, settings.sink.reject_share, partial(connect, settings.clickhouse), faults)
    waiting = ["starting"]

    def patiently(call: Callable[[], T], what: str) -> T:
        return persist(call, Attempts(STAGE, what, say=lambda reason: waiting.__setitem__(0, reason)), stop.wait)

    with Health(settings, STAGE, lambda: waiting[0], [faults], TURNS * settings.health.hang_seconds) as health, shipping(settings, STAGE):
        statements, unprepared = patiently(writer.prepare_all, "tables")
        for statement in statements:
            log.logger().info("table changed", statement=statement)
        _name_markets(lambda: patiently(lambda: writer.name_markets(unprepared), "views"))
        if prepare_only:
            if unprepared:
                raise Fatal("; ".join(f"{name}: {error}" for name, error in unprepared.items()))
            return
        patiently(lambda: ensure_reachable(settings.kafka), "broker")
        needed = grants(DECLARED, manage=settings.kafka.manage_topics)
        skipped = {name for name in all_topics() if name not in topics}
        needed = tuple(one for one in needed if one.operation != "Read" or one.name not in skipped)
        patiently(lambda: ensure_allowed(settings.kafka, needed, DECLARED.name), "rights")
        patiently(lambda: prepare(settings.kafka, topics), "topics")
        outlets = patiently(lambda: outlets_of(settings, registry, stop), "registry")
        stage = compose(settings, writer, outlets, topics, stop, faults, unprepared, beat=health.heartbeat.beat)
        health.ready = lambda: stage.waiting
        stage.run()


def _name_markets(make: Callable[[], Sequence[str]]) -> None:
    """Make the views that name markets. A table is written without them too: what hinders them is told, and tried at the next start."""
    try:
        for statement in make():
            log.logger().info("view made", statement=statement.partition("\n")[0])
    except (Fatal, Refused) as error:
        log.logger().warning("views that name markets can't be made: clickhouse.user needs CREATE VIEW and DROP VIEW", reason=str(error))


if __name__ == "__main__":
    sys.exit(main())
