"""Each finding of `tidewire doctor` on its own: how it is, and the cure where it is not well."""

import shutil
import socket
from pathlib import Path

import pytest

from console import doctor
from schemas.catalogue import stored_events
from topology.clickhouse import connect
from topology.faults import Faults
from topology.health import Health
from topology.settings import ClickHouse, Kafka, Registry, Settings, Venue


def elsewhere(tmp_path: Path) -> Settings:
    """Return settings that name servers of somebody else's, where nobody is."""
    return Settings(
        state_dir=tmp_path,
        kafka=Kafka(brokers="127.0.0.1:1"),
        registry=Registry(url="http://127.0.0.1:1"),
        clickhouse=ClickHouse(url="http://127.0.0.1:1"),
    )


def test_only_the_embedded_servers_need_java_and_ports(tmp_path: Path) -> None:
    """Where all servers are somebody else's, neither is asked for; where they are ours, a runtime is named and ports are free."""
    assert [one.words for one in doctor.java(elsewhere(tmp_path))] == ["not needed: broker and registry are somebody else's"]
    assert list(doctor.ports(elsewhere(tmp_path))) == []
    own = Settings(state_dir=tmp_path)
    assert [(one.what, one.how) for one in (*doctor.java(own), *doctor.ports(own))] == [("Java", "ok"), ("ports", "ok")]


@pytest.mark.parametrize(("free", "how"), [(0, "fail"), (doctor.LEAST_FREE, "warn"), (doctor.GOOD_FREE, "ok")])
def test_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, how: str) -> None:
    """Too little fails, little warns, both with a cure; a state folder that is not there yet is looked for above."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    (found,) = doctor.disk(Settings(state_dir=tmp_path / "not" / "yet"))
    assert found.how == how
    assert bool(found.cure) == (how != "ok")
    assert str(tmp_path / "not" / "yet") in found.words


def test_servers_that_are_away_fail_with_their_settings(tmp_path: Path) -> None:
    """Each server that is set and not there is one failure, and the cure names what to mend."""
    settings = elsewhere(tmp_path)
    for check, setting in ((doctor.broker, "kafka.brokers"), (doctor.registry, "registry.url"), (doctor.clickhouse, "clickhouse.url")):
        (found,) = check(settings)
        assert found.how == "fail"
        assert setting in found.cure


def test_a_table_that_lacks_a_column_fails(filled: Settings) -> None:
    """A table that is older than its schema is a failure that names the column, and the cure is the sink, which adds it."""
    settings = filled.model_copy(update={"clickhouse": filled.clickhouse.model_copy(update={"database": "older"})})
    with connect(filled.clickhouse) as client:
        client.command("CREATE DATABASE IF NOT EXISTS older")
        for event in stored_events().values():
            columns = ", ".join(
                f"`{field['name']}` String" for field in event.fields if (event.name, field["name"]) != ("trade", "trade_id")
            )
            client.command(f"CREATE TABLE IF NOT EXISTS older.{event.table} ({columns}) ENGINE = Memory")
    failures = [one for one in doctor.clickhouse(settings) if one.how == "fail"]
    assert [(one.what, one.words) for one in failures] == [("table trades", "has no column trade_id")]
    assert failures[0].cure == "restart the sink: it adds what a grown schema brought"


def test_a_stage_that_waits_is_a_warning_with_its_reason(tmp_path: Path) -> None:
    """Each running stage is a finding; one that is not ready says why, and where its log is."""
    settings = Settings(state_dir=tmp_path)
    with Health(settings, "normalise", lambda: "no partition yet"):
        (waiting,) = doctor.processes(settings)
    assert (waiting.what, waiting.how) == ("stage normalise", "warn")
    assert waiting.words.endswith(": waiting no partition yet")
    assert str(tmp_path / "logs") in waiting.cure
    (nobody,) = doctor.processes(settings)
    assert (nobody.what, nobody.how) == ("stages", "warn")


def test_a_fault_of_our_own_fails(tmp_path: Path) -> None:
    """A stage that does its work but failed on a venue is well, and the fault is a failure: where, how often, why, and what to read."""
    settings, faults = Settings(state_dir=tmp_path), Faults("normalise")
    faults.tell(KeyError("p"), venue="binance", event="trade", times=2)
    with Health(settings, "normalise", faults=[faults]):
        stage, fault = doctor.processes(settings)
    assert (stage.what, stage.how) == ("stage normalise", "ok")
    assert (fault.what, fault.how) == ("fault of our own", "fail")
    assert fault.words == "binance trade failed 2 times in normalise: KeyError: 'p' (last five minutes)"
    assert str(tmp_path / "logs") in fault.cure


def test_exchanges_are_warned_of_and_not_failed(tmp_path: Path) -> None:
    """A venue that does not answer is no failure of this machine: the simulator stands in."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    (found,) = doctor.exchanges(Settings(state_dir=tmp_path, venues={"binance": Venue(websocket=f"ws://127.0.0.1:{closed}")}))
    assert (found.what, found.how) == ("binance", "warn")
    assert "`tidewire up` simulates" in found.cure
