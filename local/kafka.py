"""One Apache Kafka broker that is its own controller (KRaft), on loopback."""

import logging
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local.artifacts import KAFKA
from local.downloads import ensure
from local.java import Java
from local.jvm import SMALL, SMALL_AND_QUICK, ClassArchive
from local.ports import HOST
from local.process import ONE_ARENA, Child
from local.watchdog import Watchdog
from topology import private, state_folder
from topology.errors import Fatal

CLUSTER_ID = "VGlkZXdpcmVMb2NhbFN0aw"  # 16 bytes in URL-safe base64, as StorageTool demands
LARGEST_MESSAGE = 16 * 1024 * 1024  # one Coinbase level-2 snapshot is over 5 MB
SECONDS_TO_START = 180.0  # a laptop under load; an idle one takes 2 to 5

HEAP = ("-Xms48m", "-Xmx256m", "-Xmn24m")
"""Of a message of 16 MB several must fit; at 2,000 frames/s it holds 25 MB. What is young is touched from end to end, again and again:
24 MB of it where there were 85 cost no more CPU."""

# A broker that is not up yet is no news.
_SILENT = logging.getLogger("local.kafka.readiness")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.cleaner.dedupe.buffer.size": "16777216",
    # After kill -9 the controller still counts the dead broker as alive: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "message.max.bytes": str(LARGEST_MESSAGE),
    "replica.fetch.max.bytes": str(LARGEST_MESSAGE),
    "fetch.max.bytes": str(4 * LARGEST_MESSAGE),
    "socket.request.max.bytes": str(8 * LARGEST_MESSAGE),
}


class Kafka:
    """The broker. `state_dir` holds its log directory, its settings and its output.

    `settings` are of the broker's own names, and win over ours; its listeners are added to the one in plain text, which our own stack uses.
    One of several brokers is told its `node.id`, the `controller.quorum.voters` and how often the brokers' own topics lie there.
    `lasting` as of LocalStack.
    """

    def __init__(
        self, state_dir: Path, cache_dir: Path, java: Java, port: int, controller_port: int, watchdog: Watchdog,
        progress: Callable[[str], None], settings: Mapping[str, str] = MappingProxyType({}), *, lasting: bool = False,
    ) -> None:  # fmt: skip
        self.address = f"{HOST}:{port}"
        self._folder = state_dir / state_folder.KAFKA
        self._cache_dir = cache_dir
        self._java = java
        self._listeners = (
            f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{controller_port}",
            f"1@{HOST}:{controller_port}",
        )
        self._progress = progress
        self._settings = settings
        self._flags = SMALL if lasting else SMALL_AND_QUICK
        self._archive = ClassArchive(cache_dir, KAFKA.name, java)
        private.folder(self._folder)
        self.child = Child("kafka", self._folder, watchdog)

    def start(self) -> None:
        """Start and return when clients are served. Raises Fatal, with the broker's last words, if that fails."""
        libraries = ensure(KAFKA, self._cache_dir, self._progress)
        self.child.end_stale()
        settings = self._write_settings()
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(libraries, settings)
        self.child.start([*self._java_command(libraries), *self._archive.flags(), "kafka.Kafka", str(settings)], ONE_ARENA)
        self.child.await_ready(self._serves, SECONDS_TO_START)
        self._progress(f"kafka at {self.address}")

    def stop(self) -> None:
        """Stop in order; what was acknowledged is on disk."""
        self._archive.keep(self.child.stop())

    def kill(self) -> None:
        """Kill with signal 9, for tests of recovery; start() brings it back on the same address with the same data."""
        self.child.kill()

    def _java_command(self, libraries: Path) -> list[str]:
        return [
            self._java.program, *HEAP, *self._flags,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", str(libraries / "*"),
        ]  # fmt: skip

    def _write_settings(self) -> Path:
        listeners, voters = self._listeners
        plain, *_ = listeners.split(",")
        more = self._settings.get("listeners")
        settings = {
            **SETTINGS,
            "controller.quorum.voters": voters,
            **self._settings,
            "listeners": f"{listeners},{more}" if more else listeners,
            "advertised.listeners": f"{plain},{more}" if more else plain,
            "log.dirs": str(self._folder / "data"),
        }
        path = self._folder / "server.properties"
        private.write(path, "".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def _format(self, libraries: Path, settings: Path) -> None:
        command = [
            *self._java_command(libraries),
            "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(settings),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_START, check=False, umask=private.UMASK)  # noqa: S603 - ours
        if done.returncode != 0:
            raise Fatal(f"Kafka could not format {self._folder / 'data'}: {done.stdout}{done.stderr}")

    def _serves(self) -> bool:
        """Whether the broker names itself in its metadata: from then on topics can be made."""
        admin = AdminClient(
            {"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50},
            logger=_SILENT,
        )
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and self.child.is_running:
            try:
                if admin.list_topics(timeout=0.2).brokers:
                    return True
            except KafkaException:
                continue  # not yet: the caller counts the time
        return False
