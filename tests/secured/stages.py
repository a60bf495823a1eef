"""Every stage as its own process on a secured broker: each logs in as a user of its own, who may do what the flow says and nothing else."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclBinding, AclPermissionType, ResourcePatternType, ResourceType

from local import Addresses
from local.forked_process import Process
from local.health_pages import page, readiness
from local.watchdog import Watchdog
from tests.forks import forked
from tests.secured.broker import PASSWORD, SecuredBroker
from topology.access import OPERATIONS
from topology.errors import Retry
from topology.flow import stages
from topology.grants import Grant, Role
from topology.running import running

PATIENCE = 120.0
DATABASE = "secured"
KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}
JUDGED = re.compile(
    r"Principal = User:(?P<user>\S+) is (?P<how>Allowed|Denied) operation = (?P<operation>\w+) "
    r".*on resource = (?P<kind>\w+):LITERAL:(?P<name>\S+)"
)
"""A line of the authorizer."""


def bindings(user: str, grants: Iterable[Grant]) -> list[AclBinding]:
    """Return grants as ACLs of a user."""
    return [
        AclBinding(
            KINDS[one.kind],
            one.name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            OPERATIONS[one.operation],
            AclPermissionType.ALLOW,
        )
        for one in grants
    ]


def login(broker: SecuredBroker, user: str, password: str = PASSWORD, **changes: str) -> dict[str, str]:
    """Return the settings of a client that logs in, as the environment gives them."""
    found = {
        "brokers": broker.sasl,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": user,
        "sasl_password": password,
        "ssl_ca": str(broker.authority.certificate),
        "manage_topics": "verify",
    } | changes
    return {f"TIDEWIRE_KAFKA__{name.upper()}": value for name, value in found.items()}


class SecuredStages:
    """Processes by role (grants.py). Their logs and state lie in `folder`."""

    def __init__(
        self, folder: Path, broker: SecuredBroker, addresses: Addresses, environment: Mapping[str, str], watchdog: Watchdog
    ) -> None:
        self.folder = folder
        self.broker = broker
        self.addresses = addresses
        self.processes: dict[str, Process] = {}
        self._environment = environment
        self._watchdog = watchdog

    def start(self, role: Role, **changes: str) -> None:
        """Start a role's stage; `changes` are of its login, or settings of Kafka."""
        stage = stages()[role.stage]
        environment = {
            **os.environ,
            "HOME": "/dev/null",  # nothing of a stage may need it, where state_dir is set
            "PYTHONFAULTHANDLER": "1",
            "TIDEWIRE_STATE_DIR": str(self.folder / "state"),
            "TIDEWIRE_REGISTRY__URL": self.addresses.registry,
            "TIDEWIRE_REGISTRY__SCHEMAS": "lookup",
            "TIDEWIRE_CLICKHOUSE__URL": self.addresses.clickhouse,
            "TIDEWIRE_CLICKHOUSE__PASSWORD_FILE": self.addresses.clickhouse_password_file,
            "TIDEWIRE_CLICKHOUSE__DATABASE": DATABASE,
            "TIDEWIRE_TEST_HANG": str(self.goes_on(role)),
            "TIDEWIRE_CANDLES__IDLE_SECONDS": "2",
            "TIDEWIRE_BOOKS__CHECKPOINT_SECONDS": "1",
            **self._environment,
            **login(self.broker, **{"user": role.name} | changes),
        }
        arguments = [role.venue] if role.venue else []
        with self._log(role).open("ab") as log:
            process = self.processes[role.name] = forked("tests.secured.hanging", [stage.package, *arguments], environment, log)
        self._watchdog.watch(process.pid)

    def ready(self, role: Role) -> str:
        """Return why a role's stage is not ready, or nothing; AssertionError where it has ended."""
        process = self.processes[role.name]
        assert process.poll() is None, f"{role.name} ended with {process.returncode}:\n{self.log(role)}"
        state, reason = readiness(self._url(role))
        return "" if state == "ready" else f"{state} {reason}"

    def health(self, role: Role) -> tuple[int, str]:
        """Return the status of a role's /health and what it says that the stage is."""
        status, text = page(f"{self._url(role)}/health")
        return status, str(json.loads(text or "{}").get("status"))

    def goes_on(self, role: Role) -> Path:
        """Return the file that ends a hang of a role's stage (hanging.py)."""
        return self.folder / f"{role.name}.goes_on"

    def _url(self, role: Role) -> str:
        urls = {one["pid"]: str(one["url"]) for one in running(self.folder / "state")}
        return urls.get(self.processes[role.name].pid, "")

    def ended(self, role: Role, patience: float = PATIENCE) -> int:
        """Return the exit code of a role's stage once it has ended by itself."""
        process = self.processes.pop(role.name)
        try:
            return process.wait(patience)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self._watchdog.forget(process.pid)

    def stop(self, patience: float = PATIENCE) -> dict[str, int]:
        """Ask all to stop at once; return how each ended."""
        codes: dict[str, int] = {}
        until = time.monotonic() + patience
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                codes[name] = process.wait()
            self._watchdog.forget(process.pid)
        self.processes.clear()
        return codes

    def log(self, role: Role, lines: int = 25) -> str:
        """Return the end of a role's log."""
        return "\n".join(self._log(role).read_text(errors="replace").splitlines()[-lines:])

    def judged(self, how: str) -> dict[str, set[tuple[str, str, str]]]:
        """Return what the authorizer has said, `Allowed` or `Denied`: by user, (operation, kind, name)."""
        found: dict[str, set[tuple[str, str, str]]] = {}
        for line in self.broker.server.child.log.read_text(errors="replace").splitlines():
            if (said := JUDGED.search(line)) and said["how"] == how:
                found.setdefault(said["user"], set()).add((said["operation"], said["kind"].lower(), said["name"]))
        return found

    def _log(self, role: Role) -> Path:
        return self.folder / f"{role.name}.log"


def each_time(names: Iterable[str], *chosen: str) -> list[Any]:
    """Return names of roles for a test that is made of some of them each time, and of the others in long runs."""
    return [pytest.param(name, marks=() if name in chosen else pytest.mark.chaos) for name in names]


def until(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until a condition holds; AssertionError says what did not, and why it could not be asked, where a broker only begins to know."""
    deadline, found, trouble = time.monotonic() + patience, None, ""
    while not found:
        assert time.monotonic() < deadline, f"not within {patience:.0f} s: {what} {trouble}"
        try:
            found, trouble = holds(), ""
        except Retry as error:
            trouble = str(error)
        if not found:
            time.sleep(0.1)
    return found
