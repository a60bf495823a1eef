"""`python -m sinks.clickhouse`: write every topic whose event has a table; `--prepare`: create and check the tables, and end."""

import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial

from sinks.clickhouse.stage import STAGE, Stage, persist
from sinks.clickhouse.writer import Writer
from topology import clock, log
from topology.clickhouse import connect
from topology.collector import collect_rarely
from topology.dead_letters import DeadLetters
from topology.errors import Fatal, Retry
from topology.health import Health
from topology.kafka import GATHER_BYTES, Publisher, consumer, ensure_reachable
from topology.registry import Registry
from topology.secrets.audit import act_as
from topology.secrets.shipping import shipping
from topology.settings import Settings, load
from topology.topics import all_topics


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Run until SIGTERM or SIGINT; return 0, or 1 where a person must act."""
    try:
        act_as("clickhouse")
        settings = load()
        collect_rarely()
        log.configure(settings.log, STAGE)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(settings, stop, prepare_only="--prepare" in arguments)
    except Fatal as error:
        print(f"{STAGE}: {error}", file=sys.stderr)
        return 1
    except Retry as error:
        print(f"{STAGE}: stopped while it waited: {error}", file=sys.stderr)
    return 0


def run(settings: Settings, stop: threading.Event, *, prepare_only: bool = False) -> None:
    """Compose the sink and run it until `stop` is set; it waits for ClickHouse and the registry where they are away."""
    topics = {name: event for name, event in all_topics().items() if event.name not in settings.sink.skip}
    registry = Registry(settings.registry)
    writer = Writer(settings.clickhouse, registry, topics, settings.sink.reject_share, partial(connect, settings.clickhouse))
    waiting = ["starting"]

    def say(reason: str) -> None:
        waiting[0] = reason

    with Health(settings, STAGE, lambda: waiting[0]) as health, shipping(settings, STAGE):
        for statement in persist(writer.prepare, "tables", stop, say):
            log.logger().info("table changed", statement=statement)
        if prepare_only:
            return
        ensure_reachable(settings.kafka)
        publisher = Publisher(settings.kafka)
        share = settings.sink.reject_share
        dead_letters = persist(lambda: DeadLetters(publisher, registry, STAGE, clock.now, share), "registry", stop, say)
        stage = Stage(
            consumer(settings.kafka, STAGE, fetch_min_bytes=GATHER_BYTES, fetch_wait_max_ms=settings.sink.gather_ms),
            writer,
            publisher,
            dead_letters,
            topics,
            settings.sink,
            stop,
        )
        health.ready = lambda: stage.waiting
        stage.run()


if __name__ == "__main__":
    sys.exit(main())
