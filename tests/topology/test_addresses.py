"""Where the servers are: settings first, then the stack that runs in the state folder, else an error that says what to do."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from local import Addresses
from topology.addresses import answers, embedded, environment, given, located, merged, missing
from topology.clickhouse import connect
from topology.errors import Fatal
from topology.kafka import ensure_reachable
from topology.registry import Registry
from topology.settings import ClickHouse, Kafka, Settings


def left_behind(folder: Path, kafka: str) -> None:
    """Write the file by which a stack is found."""
    document = {"kafka": kafka, "registry": "http://127.0.0.1:1/apis", "clickhouse": "http://127.0.0.1:1"}
    (folder / "addresses.json").write_text(json.dumps(document))


def test_an_address_that_answers_is_told_from_one_that_does_not() -> None:
    """host:port and URLs are looked at alike; what is no address does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert answers(f"127.0.0.1:{port}")
        assert answers(f"http://127.0.0.1:{port}/apis/ccompat/v7")
    for nothing in (f"127.0.0.1:{port}", "", "localhost", "http://localhost", "host:port"):
        assert not answers(nothing)


def test_settings_go_before_the_stack(tmp_path: Path) -> None:
    """An address that is set is used; only what is not set is taken from the stack of the state folder."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        running = f"127.0.0.1:{server.getsockname()[1]}"
        left_behind(tmp_path, running)
        own = Settings(state_dir=tmp_path, clickhouse=ClickHouse(url="http://elsewhere:8123", user="us"))
        assert missing(own) == ("kafka", "registry")
        found = located(own)
        assert given(found) == Addresses(kafka=running, registry="http://127.0.0.1:1/apis", clickhouse="http://elsewhere:8123")
        assert found.clickhouse.user == "us"
        assert located(own, "kafka").kafka.brokers == running


def test_a_stack_that_is_gone_is_not_found(tmp_path: Path) -> None:
    """A file left behind by a stack that was killed names nobody; no file is no stack."""
    assert embedded(Settings(state_dir=tmp_path)) == Addresses()
    left_behind(tmp_path, "127.0.0.1:1")
    assert embedded(Settings(state_dir=tmp_path)) == Addresses()


def test_what_is_nowhere_is_fatal_with_its_cure(tmp_path: Path) -> None:
    """Only the parts that are asked for must be there; the error names the folder, the command and the settings."""
    own = Settings(state_dir=tmp_path, kafka=Kafka(brokers="a:1"))
    assert located(own, "kafka").kafka.brokers == "a:1"
    with pytest.raises(Fatal) as caught:
        located(own, "kafka", "clickhouse")
    assert str(caught.value) == (
        f"no stack runs in {tmp_path}: start one with `tidewire up` in another terminal, or set TIDEWIRE_CLICKHOUSE__URL"
    )


def test_an_embedded_broker_has_one_partition_a_topic(tmp_path: Path) -> None:
    """Unless the settings say otherwise; on brokers that the settings name, the schemas say. A child is told the same."""
    found = Addresses(kafka="127.0.0.1:9")
    assert merged(Settings(state_dir=tmp_path), found).kafka.partitions == 1
    assert merged(Settings(state_dir=tmp_path, kafka=Kafka(partitions=3)), found).kafka.partitions == 3
    named = merged(Settings(state_dir=tmp_path, kafka=Kafka(brokers="a:1")), found)
    assert (named.kafka.brokers, named.kafka.partitions) == ("a:1", 0)
    assert environment(merged(Settings(state_dir=tmp_path), found))["TIDEWIRE_KAFKA__PARTITIONS"] == "1"


def test_a_child_is_told_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that is started gets addresses and state folder, the folder whole, so that its own directory does not matter."""
    monkeypatch.chdir(tmp_path)
    own = Settings(state_dir=Path("state"), kafka=Kafka(brokers="a:1"))
    found = environment(own)
    assert found["TIDEWIRE_KAFKA__BROKERS"] == "a:1"
    assert found["TIDEWIRE_STATE_DIR"] == str(tmp_path / "state")
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    assert given(Settings()) == given(own)


CALLS: dict[str, Callable[[], object]] = {
    "kafka.brokers": lambda: ensure_reachable(Kafka()),
    "registry.url": lambda: Registry(Settings().registry).subjects(),
    "clickhouse.url": lambda: connect(ClickHouse()),
}


@pytest.mark.parametrize("setting", CALLS)
def test_a_server_that_nobody_named_is_fatal_by_its_setting(setting: str) -> None:
    """Where the embedded one's address was not filled in, no server is guessed, and nothing is tried for ever."""
    with pytest.raises(Fatal, match=f"^{setting} is empty: name the server there, or start this by `tidewire run`"):
        CALLS[setting]()
