"""docker-compose.yml is valid by the compose specification's own schema, and starts what the code declares: no more, no less."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from console.commands.run import run
from dialects.catalogue import all_dialects
from topology.errors import Fatal
from topology.flow import stages
from topology.settings import Settings, load

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_of_ours = pytest.mark.parametrize("service", OURS.values(), ids=OURS)


def objections(path: Path) -> str:
    """Return what the compose specification has against a file; nothing where it is valid."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return ended.stdout if ended.returncode else ""


def test_the_specification_allows_it(tmp_path: Path) -> None:
    """The file is valid by the specification's schema, and the same file with a misspelt key is not."""
    assert objections(FILE) == ""
    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(FILE.read_text().replace("healthcheck:", "healthchek:", 1))
    assert "'healthchek' does not match" in objections(misspelt)


def test_each_declared_stage_has_one_service() -> None:
    """Every stage that can run is started once, a stage of one process per venue once for each dialect; nothing else is."""
    wanted: set[tuple[str, ...]] = {("run", name, venue) for name, one in stages().items() if one.per_venue for venue in all_dialects()}
    wanted |= {("run", name) for name, one in stages().items() if one.runs and not one.per_venue}
    commands = [tuple(service["command"]) for service in OURS.values()]
    assert sorted(commands) == sorted(wanted)


@each_of_ours
def test_the_command_line_takes_the_command(service: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tidewire run …` goes as far as looking for the servers: it knows the stage, and whether it wants a venue."""
    for name in ("KAFKA__BROKERS", "REGISTRY__URL", "CLICKHOUSE__URL"):
        monkeypatch.delenv(f"TIDEWIRE_{name}", raising=False)
    stage, *venues = service["command"][1:]
    with pytest.raises(Fatal, match="no stack runs in"):
        run(Settings(state_dir=tmp_path), stage, venues)


@each_of_ours
def test_every_setting_is_known_and_counts(service: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each TIDEWIRE_ variable names a setting, and the setting has the variable's value."""
    for name, value in service["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)))
    tree = load().model_dump()
    for name, value in service["environment"].items():
        assert name.startswith("TIDEWIRE_")
        found: Any = tree
        for part in name.removeprefix("TIDEWIRE_").lower().split("__"):
            assert part in found, name
            found = found[part]
        secret = found.get_secret_value() if hasattr(found, "get_secret_value") else found
        assert str(secret) == re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value))


def test_addresses_are_of_services_that_are_there() -> None:
    """Every stage's servers are services of this file, at the ports they listen on inside."""
    for service in OURS.values():
        environment = service["environment"]
        for name in ("TIDEWIRE_KAFKA__BROKERS", "TIDEWIRE_REGISTRY__URL", "TIDEWIRE_CLICKHOUSE__URL"):
            server = environment[name].rpartition("://")[2].partition(":")[0]
            assert server in SERVICES
            assert server in service["depends_on"]
    assert "INSIDE://kafka:9092" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]


@each_service
def test_images_are_pinned(service: Mapping[str, Any]) -> None:
    """No image floats: each has a tag of at least two numbers."""
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+(\.\d+)?", service["image"])


@each_service
def test_servers_are_reached_from_this_machine_alone(service: Mapping[str, Any]) -> None:
    """What is published is published on loopback: these are development passwords."""
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@each_service
def test_each_service_says_whether_it_is_healthy(service: Mapping[str, Any]) -> None:
    """Each has a health check, and waits until what it needs passes its own."""
    assert service["healthcheck"]["test"]
    for name, how in service.get("depends_on", {}).items():
        assert SERVICES[name]["healthcheck"]
        assert how == {"condition": "service_healthy"}


def test_volumes_are_declared_and_used() -> None:
    """Every named volume is mounted by exactly one service, and every mount is a declared volume."""
    mounts = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert sorted(mounts) == sorted(COMPOSE["volumes"])


def test_what_producers_spill_outlives_the_container() -> None:
    """A stage with a volume keeps its state folder on it."""
    for service in OURS.values():
        for volume in service.get("volumes", []):
            assert volume.partition(":")[2] == service["environment"]["TIDEWIRE_STATE_DIR"]
    assert all(service.get("volumes") for service in OURS.values() if "producers" in service["command"])
