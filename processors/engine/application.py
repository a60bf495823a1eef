"""The Faust application of a stage: settings that hold under rebalances, and a run that ends with the right exit code."""

import logging
import signal
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any, Final

import faust
from faust.types import TP
from mode import CrashingSupervisor

from processors.engine.transport import Loss, OnBatch, OnBegin
from processors.engine.transport.progress import watch
from topology.ending import end
from topology.grace import stopping
from topology.kafka import GATHER_BYTES
from topology.login import aiokafka_connection
from topology.memory import collect_rarely
from topology.settings import Kafka

SESSION_SECONDS: Final = 8.0
"""After a kill -9 the group stands still this long. Faust's default is 60."""
HEARTBEAT_SECONDS: Final = 2.5
REBALANCE_SECONDS: Final = 20.0
"""How long the group waits for a member to come back to a rebalance; an agent blocking its loop longer is dropped from it."""
COMMIT_SECONDS: Final = 1.0
METADATA_MS: Final = 5_000
"""How often topics are looked up. A broker killed and started again names none at first: a group that rebalances then has
nothing assigned, and stands still until it looks again. Faust's default is five minutes."""
PARTITION_FETCH_BYTES: Final = 1024 * 1024
"""Bytes of one partition in one fetch: the size of a batch under load. A larger single record is still fetched."""
BUFFERED_BATCHES: Final = 8
"""Batches waiting for an agent, over all partitions. With 1 MiB each, and 16 MiB read ahead in the consumer thread, a
stage that stands still holds about 24 MiB of record bytes (some three times that as Python objects)."""

LONG_POLL_MS: Final = 500
"""How long the broker holds a fetch that the first byte will answer. Faust's own is a fixed 1,500 ms; while one is held, aiokafka asks
that broker for no other partition, and one freed from back-pressure waits."""
STALL_SECONDS: Final = 60.0

LARGEST_RECORD_BYTES: Final = 16 * 1024 * 1024
"""Of a table entry on its way to the changelog. Faust's default is 1 MB."""


class Application(faust.App):
    """A Faust app that says how its topics are delivered; set these before it starts.

    `batched_topics`: each partition's fetched records are one event. All others come one by one.
    `holed_topics`: compacted or written in transactions, so missing offsets are no loss there.
    `fetch_least`: the bytes that the broker gathers for a fetch, and how many milliseconds it waits for them at most.
    `rack`: where this process is, so that it fetches from a replica in the same rack; empty: from the leaders.
    `on_batch`: gets each batch of `batched_topics`, in place of agents (processors/engine/transport); None where agents do.
    `on_loss`: told of records that were owed and are gone, before the position is set; None stops the stage with Fatal.
    `readable_from`: asked from which offset on a partition can be read that gives no sound block at one; that offset where it can after
    all. None stops the stage with CorruptRecordException.
    `on_crash`: called once, on the app's loop, when a part of the app has crashed: what would stop in order may wait for it for ever.
    `on_begin`: asked where partitions begin, given what the broker says of each and the epoch its batches will have; it returns
    the offsets that are other than the group's commit. Called before a position is set, at each rebalance.

    The consumer awaits these on the app's own loop: neither may set a position or wait for a batch.
    """

    batched_topics: set[str]
    holed_topics: set[str]
    fetch_least: tuple[int, int]
    rack: str
    on_batch: OnBatch | None
    on_loss: Callable[[Loss], Awaitable[None]] | None
    on_begin: OnBegin | None
    readable_from: Callable[[TP, int], Awaitable[int]] | None
    on_crash: Callable[[], None] | None

    def __init__(self, *args: Any, **options: Any) -> None:
        self.batched_topics = set()
        self.holed_topics = set()
        self.fetch_least = (1, LONG_POLL_MS)
        self.rack = ""
        self.on_batch = None
        self.on_loss = None
        self.on_begin = None
        self.readable_from = None
        self.on_crash = None
        super().__init__(*args, **options)

    def _crash(self, reason: BaseException) -> None:
        # Whichever of its services crashes, the app does: mode goes up from there.
        is_first = not self.crashed
        super()._crash(reason)
        if is_first and self.on_crash is not None:
            self.on_crash()

    def batches(self, *names: str) -> faust.TopicT:
        """Return the topic of these names with each partition's fetched records as one event, a `Batch` of raw bytes."""
        self.batched_topics |= set(names)
        return self.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def gathering(wait_ms: int) -> tuple[int, int]:
    """Return the `fetch_least` of a stage whose fetches wait so long (milliseconds) to be fuller; 0: as soon as there is anything.

    Small batches cost the stage and the broker most of their CPU (BENCHMARKS.md).
    """
    return (GATHER_BYTES, wait_ms) if wait_ms else (1, LONG_POLL_MS)


def create_app(
    name: str,
    *,
    broker: str,
    data_dir: Path,
    batched_topics: Iterable[str] = (),
    holed_topics: Iterable[str] = (),
    on_loss: Callable[[Loss], Awaitable[None]] | None = None,
    on_begin: OnBegin | None = None,
    replication_factor: int = 1,
    table_partitions: int = 8,
    store: str = "memory://",
    standby_replicas: int = 0,
    web_port: int | None = None,
    buffered_batches: int = BUFFERED_BATCHES,
    fetch_least: tuple[int, int] = (1, LONG_POLL_MS),
    rack: str = "",
    stall_seconds: float = STALL_SECONDS,
    **settings: Any,
) -> Application:
    """Make a stage's app: consumer group `name`, at `broker` ("host:port", several joined by commas).

    `fetch_least`, `rack`: see Application. `stall_seconds`: without a commit for so long, while there is something to commit,
    the process ends with code 1. `table_partitions` must equal the partition count of the topic whose agent writes
    the tables. The web server runs only with a `web_port`. Further `settings` are Faust's own and win over those chosen here.
    """
    hosts = ";".join(f"tidewire://{address.strip()}" for address in broker.split(","))
    chosen: dict[str, Any] = {
        "broker": hosts,
        "datadir": str(data_dir),
        "store": store,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "topic_partitions": table_partitions,
        "topic_replication_factor": replication_factor,
        "table_standby_replicas": standby_replicas,
        "broker_session_timeout": SESSION_SECONDS,
        "broker_heartbeat_interval": HEARTBEAT_SECONDS,
        "broker_rebalance_timeout": REBALANCE_SECONDS,
        "broker_commit_interval": COMMIT_SECONDS,
        "consumer_max_fetch_size": PARTITION_FETCH_BYTES,
        "consumer_metadata_max_age_ms": METADATA_MS,
        "producer_max_request_size": LARGEST_RECORD_BYTES,
        "consumer_auto_offset_reset": "earliest",
        # Nobody asks who leads, and each stage would need the right to make and read one topic more.
        "topic_disable_leader": True,
        "stream_buffer_maxsize": buffered_batches,
        # A stage acknowledges in checkpoints: a rebalance that waited for them would hang. What is held is read again.
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "processing_guarantee": "at_least_once",
        # Restarting an agent in place would leave the batch it died on unacknowledged for ever; the process starts over.
        "agent_supervisor": CrashingSupervisor,
        "worker_redirect_stdouts": False,
        "web_enabled": web_port is not None,
        "autodiscover": False,
    }
    if web_port is not None:
        chosen |= {"web_port": web_port, "web_bind": "127.0.0.1"}
    app = Application(name, **(chosen | settings))
    app.batched_topics |= set(batched_topics)
    app.holed_topics |= set(holed_topics)
    app.on_loss = on_loss
    app.on_begin = on_begin
    app.fetch_least = fetch_least
    app.rack = rack
    app.task(partial(watch, app, stall_seconds))
    return app


class _StageWorker(faust.Worker):
    """A worker that leaves logging and the terminal as they are."""

    stop_seconds = float("inf")

    def _setproctitle(self, info: str, *, ident: str = "") -> None:
        """Leave the process its name: Faust would take it away where setproctitle is installed, and each stage is found by its own."""

    def _setup_logging(self) -> None:
        """Keep the handlers the process has set up."""

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        """Stop, and have stopped in time; called by the signal's handler on the event loop."""
        if not isinf(self.stop_seconds):
            stopping.begin(self.stop_seconds)
        super()._schedule_shutdown(signal)


def reaching(kafka: Kafka) -> dict[str, Any]:
    """Return what `create_app` needs to reach the brokers and log in. Fatal where a file that a setting names can't be read."""
    given = aiokafka_connection(kafka)
    context = given.get("ssl_context")
    credentials: faust.SASLCredentials | faust.SSLCredentials | None = None
    if kafka.sasl_mechanism:
        credentials = faust.SASLCredentials(
            username=given["sasl_plain_username"],
            password=given["sasl_plain_password"],
            ssl_context=context,
            mechanism=given["sasl_mechanism"],
        )
    elif context is not None:
        credentials = faust.SSLCredentials(context=context)
    return {
        "broker": kafka.brokers,
        "broker_client_id": given["client_id"],
        "broker_credentials": credentials,
        "rack": kafka.client_rack,
    }


def run(app: faust.App, *, log_level: int = logging.INFO, stop_seconds: float = float("inf")) -> None:
    """Run a stage until SIGTERM or SIGINT, then commit and leave the group, within `stop_seconds`.

    Raises:
        SystemExit: always; code 0 after a signal, else as topology.ending has it, with the reason as the last line.

    """
    collect_rarely()
    worker = _StageWorker(app, quiet=True, loglevel=log_level, redirect_stdouts=False)
    worker.spinner = None
    worker.stop_seconds = stop_seconds
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        reason = app._crash_reason  # noqa: SLF001 - mode tells it to nobody
        if ended.code and reason is not None:
            end(app.conf.id.removeprefix("tidewire."), reason)
        raise
