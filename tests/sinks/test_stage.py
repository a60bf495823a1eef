"""The whole sink: Kafka to ClickHouse, with all that goes wrong between them."""

import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from local import Addresses
from schemas.catalogue import stored_events
from sinks.clickhouse.__main__ import main
from sinks.clickhouse.batch import NOT_WIRE_FORMAT
from sinks.clickhouse.stage import Stage
from tests.sinks.market import TRADE, encoded, ids
from tests.sinks.stages import Run, at_work, count, dead_letters, eventually, lag, publish
from tests.sinks.tables import Tables
from topology.errors import FATAL_CODE

PARTITIONS = TRADE.topic.partitions


@pytest.fixture
def working(run: Run) -> Iterator[Stage]:
    """Let the sink of `run` work in a thread until the end of the test."""
    with at_work(run) as sink:
        yield sink


def topic_of(run: Run) -> str:
    return next(iter(run.topics))


def test_messages_become_rows(store: Tables, run: Run, working: Stage, stack_addresses: Addresses) -> None:
    """Everything published is in the table, and then its offsets are committed."""
    publish(run.kafka, topic_of(run), encoded(store, range(2_000)))
    eventually(lambda: count(store.client, run, "trade") == 2_000, "2,000 rows")
    eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "the commit")
    assert ids(store) == list(range(2_000))


def test_refused_messages_are_dead_letters(store: Tables, run: Run, working: Stage) -> None:
    """What is in no wire format, of no known schema, or no datum is in dead_letters before its offset is committed."""
    values = encoded(store, range(1_000))
    bad = {3: b"hello", 500: b"\0\x7f\xff\xff\xff" + values[500][5:], 700: values[700] + b"?", 900: b""}
    for place, value in bad.items():
        values[place] = value
    publish(run.kafka, topic_of(run), values)
    eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "the commit")
    assert ids(store) == [n for n in range(1_000) if n not in bad]
    reasons = {letter["payload"]: letter["reason"] for letter in dead_letters(run)}
    assert set(reasons) == set(bad.values())
    assert "wire format" in reasons[bad[3]]
    assert "not in the registry" in reasons[bad[500]]
    assert "1 bytes left" in reasons[bad[700]]


def test_too_many_refused_messages_hold_their_topic(store: Tables, run: Run) -> None:
    """When most of a topic cannot be used it is held for a while and its health says so; what was told is committed, each once."""
    publish(run.kafka, topic_of(run), [b"hello"] * 1_200)
    with at_work(replace(run, flush_rows=2_000)) as sink:
        eventually(lambda: "messages: see dead_letters" in sink.waiting, "the sink to say what is wrong")
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "what was told to be done with")
    assert {(letter["payload"], letter["reason"]) for letter in dead_letters(run)} == {(b"hello", NOT_WIRE_FORMAT)}


def test_killed_between_insert_and_commit(store: Tables, run: Run) -> None:
    """A sink killed after its inserts and before its commit reads them again at its next start, and each row is there once."""
    publish(run.kafka, topic_of(run), encoded(store, range(3_000)))
    assert replace(run, kill_at=3).start().wait(60) == -signal.SIGKILL
    inserted = count(store.client, run, "trade", final="")
    assert inserted > 0
    assert lag(run.kafka, run.group, topic_of(run), PARTITIONS) > 3_000 - inserted
    second = run.start()
    try:
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "the second sink")
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
    assert ids(store) == list(range(3_000))


class Gate:
    """A way to ClickHouse that can be shut: connections are cut, and new ones refused, until it is opened again."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("http://").rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._sockets: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self) -> None:
        """Let connections through."""
        self._open.set()

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        self._open.clear()
        for one in self._sockets:
            _cut(one)
        self._sockets.clear()

    def close(self) -> None:
        """End the gate."""
        self.shut()
        _cut(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._open.is_set():
                _cut(near)
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(near: socket.socket, far: socket.socket) -> None:
    try:
        while data := near.recv(65_536):
            far.sendall(data)
    except OSError:
        pass  # shut while it carried: what the gate is for
    finally:
        _cut(near)
        _cut(far)


def _cut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # cut already
    finally:
        one.close()


def test_it_waits_while_clickhouse_is_away(store: Tables, run: Run) -> None:
    """Without ClickHouse the sink says what it waits for, commits nothing and keeps its place in the group; then it goes on."""
    gate = Gate(run.clickhouse)
    gate.open()
    with at_work(replace(run, clickhouse=gate.url, flush_rows=200)) as sink:
        publish(run.kafka, topic_of(run), encoded(store, range(100)))
        eventually(lambda: count(store.client, run, "trade") == 100, "the first rows")
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "the first commit")
        gate.shut()
        publish(run.kafka, topic_of(run), encoded(store, range(100, 1_500)))
        eventually(lambda: "clickhouse.url" in sink.waiting, "the sink to say what it waits for")
        eventually(lambda: sink.paused, "partitions to be paused")
        assert lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 1_400
        gate.open()
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "all to be in")
        assert sink.waiting == ""
    gate.close()
    assert ids(store) == list(range(1_500))


def test_two_sinks_share_the_work(store: Tables, run: Run) -> None:
    """A second sink takes partitions over while the first is at work, and leaves again: every row is there once."""
    first, values = run.start(), encoded(store, range(6_000))
    second = None
    try:
        publish(run.kafka, topic_of(run), values[:2_000])
        eventually(lambda: count(store.client, run, "trade") > 0, "the first rows")
        second = run.start()
        publish(run.kafka, topic_of(run), values[2_000:4_000])
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "both to catch up")
        second.kill()
        publish(run.kafka, topic_of(run), values[4_000:])
        eventually(lambda: lag(run.kafka, run.group, topic_of(run), PARTITIONS) == 0, "the first to take all back")
    finally:
        for one in (first, second):
            if one is not None:
                one.terminate()
                one.wait(60)
    assert ids(store) == list(range(6_000))


def test_the_command_prepares_and_ends(store: Tables, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m sinks.clickhouse --prepare` creates every table; what a person must mend it says in words, and ends as by a Fatal."""
    monkeypatch.setenv("TIDEWIRE_CLICKHOUSE__URL", run.clickhouse)
    monkeypatch.setenv("TIDEWIRE_CLICKHOUSE__PASSWORD_FILE", run.password_file)
    monkeypatch.setenv("TIDEWIRE_CLICKHOUSE__DATABASE", run.database)
    assert main(["--prepare"]) == 0
    there = store.client.query("SELECT name FROM system.tables WHERE database = {d:String}", parameters={"d": run.database}).result_rows
    assert {name for (name,) in there} >= {one.table for one in stored_events().values()}
    store.client.command(f"DROP TABLE {run.database}.quotes SYNC")
    store.client.command(f"CREATE TABLE {run.database}.quotes (venue String) ENGINE = MergeTree ORDER BY venue")
    try:
        assert main(["--prepare"]) == FATAL_CODE
    finally:
        store.client.command(f"DROP TABLE {run.database}.quotes SYNC")
