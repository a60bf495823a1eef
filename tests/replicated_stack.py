"""The embedded stack with three brokers in place of one: each holds all there is, and two of them are enough to go on."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local import Addresses, LocalStack
from local.downloads import default_cache_dir
from local.java import find_java
from local.kafka import Kafka
from local.ports import HOST, remembered_ports
from tests.uncounted import uncounted_children
from topology.errors import Retry

NODES: Final = (1, 2, 3)
TOPICS: Final = {"replication_factor": len(NODES), "min_insync_replicas": 2}
"""How stages make their topics on it: settings under `kafka`."""
OTHERS: Final = ("registry", "clickhouse")
ASK_SECONDS: Final = 15.0

SETTINGS: Final = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    # Kafka's own, in place of the 2 s of a broker that is alone. Of three that share two cores with all else each may be late by that:
    # the controller then takes brokers that live for dead, too few are in sync, and nothing is acknowledged.
    "broker.session.timeout.ms": "9000",
    "broker.heartbeat.interval.ms": "2000",
    # For the same reason longer than Kafka's own, 2 s each: else controllers that are late vote each other out.
    "controller.quorum.fetch.timeout.ms": "6000",
    "controller.quorum.request.timeout.ms": "6000",
}


class ReplicatedStack(LocalStack):
    """Three brokers, each its own controller too, with registry and ClickHouse. `brokers` by node, to be killed and started again."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir)
        self.brokers: dict[int, Kafka] = {}

    def start(self, parts: Iterable[str] = OTHERS) -> Addresses:
        """Start all of it; return once each broker knows the two others."""
        super().start(parts)
        watchdog = self._watchdog
        assert watchdog is not None, "another process runs this folder"
        cache, java = default_cache_dir(), find_java()
        ports = remembered_ports(
            self.state_dir / "brokers.json", tuple(f"{part}{node}" for node in NODES for part in ("kafka", "controller"))
        )
        voters = ",".join(f"{node}@{HOST}:{ports[f'controller{node}']}" for node in NODES)
        for node in NODES:
            own = {**SETTINGS, "node.id": str(node), "controller.quorum.voters": voters}
            self.brokers[node] = Kafka(
                self.state_dir / f"node{node}", cache, java, ports[f"kafka{node}"], ports[f"controller{node}"], watchdog, print, own
            )
        try:
            self._all(Kafka.start)
        except BaseException:
            self.stop()
            raise
        self.addresses = replace(self.addresses, kafka=",".join(broker.address for broker in self.brokers.values()))
        return self.addresses

    def stop(self) -> None:
        """Stop all of it."""
        self._all(Kafka.stop)
        self.brokers = {}
        super().stop()

    def in_sync(self) -> bool:
        """Whether each partition there is lies on all three, and none of them is behind. Raises Retry where no broker says."""
        admin = AdminClient({"bootstrap.servers": self.addresses.kafka, "log_level": 0})
        try:
            found = admin.list_topics(timeout=ASK_SECONDS)
        except KafkaException as error:
            raise Retry(f"no broker says where its partitions lie: {error.args[0].str()}") from error
        partitions = [one for topic in found.topics.values() for one in topic.partitions.values()]
        return len(found.brokers) == len(NODES) and all(len(one.isrs) == len(NODES) for one in partitions)

    def _all(self, do: Callable[[Kafka], None]) -> None:
        with ThreadPoolExecutor(len(NODES)) as pool:
            for outcome in [pool.submit(do, broker) for broker in self.brokers.values()]:
                outcome.result()


@contextmanager
def running(folder: Path) -> Iterator[ReplicatedStack]:
    """Give three brokers of a test's own, which may be killed, as long as the block lasts."""
    stack = ReplicatedStack(folder)
    with uncounted_children():
        stack.start()
    try:
        yield stack
    finally:
        stack.stop()
