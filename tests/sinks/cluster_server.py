"""One server of a ClickHouse cluster with its Keeper, for tests: chdb and Apache ZooKeeper, whose protocol Keeper speaks.

What chdb can't do: it has no DDL worker (ON CLUSTER is parsed and then refused), no native port (another server can't be asked), and no
port for parts, so that a replicated table is made and registered with the Keeper, and stays read-only: it takes no rows and no ALTER.
"""

import re
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from local.artifacts import read_lock
from local.downloads import default_cache_dir, ensure
from local.java import find_java
from local.ports import HOST, remembered_ports
from local.process import Child
from local.watchdog import Watchdog
from topology.clickhouse import connect
from topology.settings import ClickHouse

ZOOKEEPER = read_lock(Path(__file__).with_name("zookeeper.lock.json"))
PASSWORD = "swordfish"
SECONDS_TO_START = 180.0  # a laptop under load; an idle one takes 3
SERVER = """<clickhouse>
    <tcp_port>{tcp}</tcp_port>
    <zookeeper><node><host>{host}</host><port>{keeper}</port></node></zookeeper>
    <macros><shard>1</shard><replica>one</replica></macros>
    <remote_servers>
        <main><shard><internal_replication>true</internal_replication>
            <replica><host>{host}</host><port>{tcp}</port></replica></shard></main>
        <half_away><shard><internal_replication>true</internal_replication>
            <replica><host>{host}</host><port>{tcp}</port></replica>
            <replica><host>{host}</host><port>{nobody}</port></replica></shard></half_away>
        <written_twice><shard>
            <replica><host>{host}</host><port>{tcp}</port></replica></shard></written_twice>
    </remote_servers>
</clickhouse>
"""
USERS = """<clickhouse>
    <profiles><default></default></profiles>
    <roles><reader><grants><query>GRANT SELECT, SHOW ON *.*</query></grants></reader></roles>
    <users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
        <grants><query>GRANT ALL ON *.*</query><query>GRANT reader</query></grants></default></users>
    <quotas><default></default></quotas>
</clickhouse>
"""
_ON_CLUSTER = re.compile(r" ON CLUSTER `\w+`")


class ClusterServer:
    """The server and its Keeper, of a folder of their own.

    Clusters: `main` (it alone), `half_away` (a second replica that nobody runs), `written_twice` (without internal_replication).
    """

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        ports = remembered_ports(folder / "ports.json", ("keeper", "http", "tcp", "nobody"))
        self._keeper_port = ports["keeper"]
        self._address = f"http://{HOST}:{ports['http']}"
        (folder / "zoo.cfg").write_text(
            f"tickTime=500\ndataDir={folder / 'keeper'}\nclientPort={self._keeper_port}\nclientPortAddress={HOST}\n"
            "admin.enableServer=false\n"
        )
        (folder / "server.xml").write_text(SERVER.format(host=HOST, **ports))
        (folder / "users.xml").write_text(USERS)
        (folder / "password").write_text(PASSWORD)
        jars = ensure(ZOOKEEPER, default_cache_dir(), lambda _: None) / "*"
        self._keeper = Child("zookeeper", folder, watchdog)
        self._keeper.start([
            find_java().program, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", str(jars), "org.apache.zookeeper.server.ZooKeeperServerMain", str(folder / "zoo.cfg"),
        ])  # fmt: skip
        self._keeper.await_ready(self._listens, SECONDS_TO_START)
        self._engine = Child("clustered", folder, watchdog)
        self._engine.start(
            [
                sys.executable, "-m", "tests.sinks.clustered_engine", str(folder), "--path", str(folder / "data"),
                "--port", str(ports["http"]), "--password-file", str(folder / "password"),
            ],
            {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        self._engine.await_ready(self._answers, SECONDS_TO_START)

    def settings(self, database: str, cluster: str = "main") -> ClickHouse:
        """Return the settings of a stage that writes to this cluster."""
        return ClickHouse.model_validate(
            {"url": self._address, "password": PASSWORD, "database": database, "cluster": cluster, "ttl_days": {}}
        )

    def stop(self) -> None:
        """Stop both."""
        self._engine.stop()
        self._keeper.stop()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._keeper_port)) == 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._address}/ping", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False


class Alone:
    """A client that lets the engine parse each statement as it is, and runs it here: without ON CLUSTER, which chdb has no worker for."""

    def __init__(self, settings: ClickHouse) -> None:
        self._client = connect(settings)
        self.said: list[str] = []
        """Statements as they were given."""

    def command(self, statement: str, settings: dict[str, Any] | None = None) -> Any:
        """Parse, then run."""
        self.said.append(statement)
        self.parse(statement)
        return self._client.command(_ON_CLUSTER.sub("", statement), settings=settings)

    def parse(self, statement: str) -> None:
        """Let the engine parse a statement: raises where it is none."""
        self._client.query("SELECT formatQuery({statement:String})", parameters={"statement": statement})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
