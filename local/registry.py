"""Apicurio Registry behind its Confluent-compatible address, with an H2 file as its storage, on loopback."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

from local.artifacts import REGISTRY
from local.downloads import ensure
from local.java import Java
from local.jvm import SMALL_AND_QUICK, ClassArchive
from local.ports import HOST
from local.process import ONE_ARENA, Child
from local.watchdog import Watchdog
from topology import private, state_folder
from topology.errors import Fatal

COMPATIBILITY = "BACKWARD_TRANSITIVE"  # Apicurio's own default is NONE
SECONDS_TO_START = 180.0  # a laptop under load; an idle one takes 2 to 5
SECONDS_TO_ANSWER = 10.0
HEAP = ("-Xms24m", "-Xmx256m", "-Xmn8m")
"""Quarkus and H2 hold 15 MB; a larger young generation is touched from end to end for nothing."""
JAR = "apicurio-registry-app-3.0.9-runner.jar"


class Registry:
    """The schema registry. `state_dir` holds its database and its output."""

    def __init__(
        self, state_dir: Path, cache_dir: Path, java: Java, port: int, management_port: int, watchdog: Watchdog,
        progress: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.address = f"http://{HOST}:{port}/apis/ccompat/v7"
        self._folder = state_dir / state_folder.REGISTRY
        self._cache_dir = cache_dir
        self._java = java
        self._port = port
        self._management_port = management_port
        self._progress = progress
        self._archive = ClassArchive(cache_dir, REGISTRY.name, java)
        private.folder(self._folder)
        self.child = Child("registry", self._folder, watchdog)

    def start(self) -> None:
        """Start, wait until it answers, set the global compatibility. Raises Fatal if any of these fails."""
        program = ensure(REGISTRY, self._cache_dir, self._progress)
        self.child.start([
            self._java.program, *HEAP, *SMALL_AND_QUICK, *self._archive.flags(),
            f"-Dquarkus.http.host={HOST}", f"-Dquarkus.http.port={self._port}",
            f"-Dquarkus.management.host={HOST}", f"-Dquarkus.management.port={self._management_port}",
            "-Dapicurio.storage.kind=sql", "-Dapicurio.storage.sql.kind=h2",
            f"-Dapicurio.datasource.url=jdbc:h2:file:{self._folder / 'data' / 'registry'};AUTO_SERVER=FALSE",
            "-Dapicurio.datasource.username=sa", "-Dapicurio.datasource.password=sa",
            "-jar", str(program / JAR),
        ], ONE_ARENA)  # fmt: skip
        self.child.await_ready(self._answers, SECONDS_TO_START)
        self._demand_compatibility()
        self._progress(f"schema registry at {self.address}")

    def stop(self) -> None:
        """Stop in order."""
        self._archive.keep(self.child.stop())

    def kill(self) -> None:
        """Kill with signal 9, for tests of recovery."""
        self.child.kill()

    def _answers(self) -> bool:
        try:
            self._call("GET", "/subjects")
        except OSError:
            return False  # refused, reset, or an HTTP error while it starts
        return True

    def _demand_compatibility(self) -> None:
        self._call("PUT", "/config", {"compatibility": COMPATIBILITY})
        level = self._call("GET", "/config")["compatibilityLevel"]
        if level != COMPATIBILITY:
            raise Fatal(f"The schema registry kept the compatibility {level} instead of {COMPATIBILITY}.")

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, str]:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as response:  # noqa: S310 - as above
            answer = json.load(response)
        return answer if isinstance(answer, dict) else {}
