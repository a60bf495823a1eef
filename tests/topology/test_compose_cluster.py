"""docker-compose.cluster.yml over docker-compose.yml: valid, and its brokers, Keepers and shards are those that settings and tables name.

Neither file is started here: Docker may be missing. What the engine makes of the tables is in tests/sinks/test_cluster.py.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from sinks.clickhouse import cluster
from tests.topology.test_compose import COMPOSE, OURS, SERVICES, objections
from topology.settings import Settings, load
from topology.topics import durability

FILE = Path(__file__).parents[2] / "docker-compose.cluster.yml"
OVER: dict[str, Any] = YAML(typ="safe").load(FILE)
ALL = SERVICES | OVER["services"]
BROKERS = {name: service for name, service in OVER["services"].items() if name.startswith("kafka")}
SHARDED = {name: service for name, service in OVER["services"].items() if "SHARD" in service.get("environment", {})}
KEEPERS = {name: service for name, service in OVER["services"].items() if "KEEPER_ID" in service.get("environment", {})}


def merged(name: str) -> dict[str, str]:
    """Return a service's environment with both files, as compose lays one over the other."""
    return {**SERVICES.get(name, {}).get("environment", {}), **OVER["services"].get(name, {}).get("environment", {})}


def xml(name: str) -> ElementTree.Element:
    """Return a configuration of the file, parsed."""
    return ElementTree.fromstring(OVER["configs"][name]["content"])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a stage on the cluster."""
    for name, value in merged("normalise").items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)))
    return load()


def test_the_specification_allows_it() -> None:
    """The file is valid by the specification's schema, and is a project of its own: no volume of the other one is taken for its."""
    assert objections(FILE) == ""
    assert OVER["name"] != COMPOSE["name"]


def test_every_stage_is_told_of_the_cluster() -> None:
    """Each service of ours has the same servers and settings, and waits for all of them."""
    assert OURS.keys() <= OVER["services"].keys()
    for name in OURS:
        assert OVER["services"][name]["environment"] == OVER["services"]["normalise"]["environment"]
        waits = {*SERVICES[name]["depends_on"], *OVER["services"][name]["depends_on"]}
        assert waits == {*BROKERS, *SHARDED, "registry"}
        assert OVER["services"][name].get("scale", 1) == (1 if "producers" in SERVICES[name]["command"] else 2)


def test_brokers_are_those_that_vote_and_that_stages_ask(told: Settings) -> None:
    """Three brokers of different ids, each of which knows all three; stages replicate to all, and one may be away."""
    assert sorted(address.partition(":")[0] for address in told.kafka.brokers.split(",")) == sorted(BROKERS)
    voters = {f"{merged(name)['KAFKA_NODE_ID']}@{name}:9093" for name in BROKERS}
    ids = {merged(name)["CLUSTER_ID"] for name in BROKERS}
    assert len(ids) == 1
    for name in BROKERS:
        environment = merged(name)
        assert set(environment["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")) == voters
        assert f"INSIDE://{name}:9092" in environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
        assert environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == str(told.kafka.replication_factor) == str(len(BROKERS))
        assert environment["KAFKA_MIN_INSYNC_REPLICAS"] == durability(told.kafka)["min.insync.replicas"] == "2"
    assert merged("kafka-2").keys() == merged("kafka").keys()


def test_shards_are_those_of_the_cluster_that_stages_name(told: Settings) -> None:
    """Two shards of two replicas: each server is in the list under its own name, and has the macros by which tables find their replicas."""
    (listed,) = xml("clickhouse-cluster").findall("remote_servers/*")
    assert listed.tag == told.clickhouse.cluster
    shards = listed.findall("shard")
    hosts = {str(number): [one.findtext("host") for one in shard.findall("replica")] for number, shard in enumerate(shards, 1)}
    of = {name: merged(name) for name in SHARDED}
    assert hosts == {
        shard: [one["REPLICA"] for one in of.values() if one["SHARD"] == shard]
        for shard in dict.fromkeys(one["SHARD"] for one in of.values())
    }
    assert Counter(map(len, hosts.values())) == {2: 2}
    assert all(shard.findtext("internal_replication") == "true" for shard in shards)
    for name, service in SHARDED.items():
        assert {"source": "clickhouse-cluster", "target": "/etc/clickhouse-server/config.d/cluster.xml"} in service["configs"]
        known = {name, service["hostname"], *service["networks"]["default"]["aliases"]}
        assert of[name]["REPLICA"] in known
        assert "clickhouse" in known  # the name in clickhouse.url, which all four answer to
    macros = {one.tag: one.get("from_env") for one in xml("clickhouse-cluster").findall("macros/*")}
    assert macros == {"shard": "SHARD", "replica": "REPLICA"}
    named = set(re.findall(r"\{(\w+)\}", cluster.KEEPER_PATH + "{replica}"))
    assert named == {*macros, "database", "table"}  # the latter two are the server's own


def test_servers_know_the_keepers() -> None:
    """Three Keepers, each with an id and a folder of its own, vote together, and every ClickHouse asks them."""
    raft = {one.findtext("id"): one.findtext("hostname") for one in xml("keeper").findall("keeper_server/raft_configuration/server")}
    assert raft == {service["environment"]["KEEPER_ID"]: name for name, service in KEEPERS.items()}
    port = xml("keeper").findtext("keeper_server/tcp_port")
    asked = xml("clickhouse-cluster").findall("zookeeper/node")
    assert [(one.findtext("host"), one.findtext("port")) for one in asked] == [(name, port) for name in KEEPERS]
    assert all({*service["depends_on"]} == {*KEEPERS} for service in SHARDED.values())


@pytest.mark.parametrize("name", OVER["services"])
def test_each_service_is_like_those_of_the_other_file(name: str) -> None:
    """Images are those pinned there, ports are published on loopback and are nobody else's, and each says whether it is healthy."""
    service = OVER["services"][name]
    images = {one["image"] for one in SERVICES.values()}
    assert service.get("image", SERVICES.get(name, {}).get("image")) in images
    assert (service.get("healthcheck") or SERVICES[name]["healthcheck"])["test"]
    published = [port for one in ALL.values() for port in one.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert len({port.split(":")[1] for port in published}) == len(published)
    for mount in service.get("volumes", []):
        assert mount.partition(":")[0] in OVER["volumes"]
    for other in service.get("depends_on", {}):
        assert (ALL[other].get("healthcheck") or SERVICES[other]["healthcheck"])["test"]
