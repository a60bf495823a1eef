"""What the command line answers where a stack runs: found by the state folder alone, exact to the last digit, and never a change."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from processors.build_candles.intervals import NAMES
from tests.command_line import Said, Tidewire
from tests.sinks.market import START
from topology.clickhouse import INTERVALS
from topology.kafka import connection, consumer
from topology.lag import Offsets
from topology.settings import Settings
from topology.topics import all_topics


def objects(said: Said) -> list[dict[str, Any]]:
    """Return an answer's JSON lines."""
    assert (said.code, said.error) == (0, "")
    return [json.loads(line) for line in said.out.splitlines()]


def test_topics_say_how_much_is_in_them(ask: Tidewire) -> None:
    """Each topic is listed with its event, readers, writers and the messages the broker holds."""
    found = {one["topic"]: one for one in objects(ask("topics", "--json"))}
    assert found.keys() == all_topics().keys()
    assert found["trades"]["messages"] >= 5
    assert found["quotes"]["messages"] == 0
    assert found["trades"]["written_by"] == ["producers", "normalise"]
    assert found["trades"]["key"] == "venue|symbol"
    assert found["trades"]["partitions"] == 1
    assert all(one["meaning"] for one in found.values())


def test_a_stopped_stage_is_rewound(ask: Tidewire, filled: Settings) -> None:
    """Its group stands at the first message of each topic it reads; with --forget its changelog is gone, and no other's."""
    kafka = AdminClient(connection(filled.kafka))
    named = ("tidewire.build_candles-state-changelog", "tidewire.normalise-state-changelog")
    for future in kafka.create_topics([NewTopic(name, 1, 1) for name in named]).values():
        future.result()
    offsets = Offsets(filled.kafka)
    try:
        held = objects(ask("topics", "--json"))
        count = next(one["messages"] for one in held if one["topic"] == "trades")
        offsets.commit("tidewire.build_candles", {("trades", 0): 3})
        assert objects(ask("rewind", "build_candles", "--json")) == [{"topic": "trades", "messages": count}]
        assert offsets.committed("tidewire.build_candles", [("trades", 0)]) == {("trades", 0): 0}
        assert set(named) <= kafka.list_topics(timeout=10).topics.keys()
        ask("rewind", "build_candles", "--forget")
        assert named[0] not in kafka.list_topics(timeout=10).topics
        assert named[1] in kafka.list_topics(timeout=10).topics
    finally:
        offsets.close()


def test_a_stage_that_runs_is_not_rewound(ask: Tidewire, filled: Settings) -> None:
    """While its group has a member nothing is changed, and the answer says what to do; so it does where there is no such stage."""
    member = consumer(filled.kafka, "tidewire.detect_gaps")
    try:
        member.subscribe(["gaps"])
        while not member.assignment():
            member.poll(0.1)
        said = ask("rewind", "detect_gaps")
        assert said.code == 1
        assert "detect_gaps seems to run: stop every worker of it" in said.error
    finally:
        member.close()
    said = ask("rewind", "producers")
    assert (said.code, said.out) == (1, "")
    assert "there are normalise," in said.error


def test_a_query_is_answered_exactly(ask: Tidewire) -> None:
    """A table for people, JSON lines and CSV for programs: decimals to the last digit and without zeros that say nothing."""
    sql = "SELECT trade_id, price, size, event_time IS NULL AS timeless, sequence FROM trades FINAL ORDER BY toUInt64(trade_id)"
    first = {"trade_id": "0", "price": "87232.000000000000000001", "size": "0.000000000000000001", "timeless": 0, "sequence": 0}
    found = objects(ask("query", sql, "--json"))
    assert found[0] == first
    assert found[-1] == {**first, "trade_id": "7", "size": "0.000000000000000008", "timeless": 1, "sequence": None}
    rows = list(csv.reader(io.StringIO(ask("query", sql, "--csv").out)))
    assert rows[0] == list(first)
    assert rows[1] == ["0", "87232.000000000000000001", "0.000000000000000001", "0", "0"]
    assert rows[-1][-1] == ""
    table = ask("query", sql).out
    assert "87232.000000000000000001" in table
    assert "…" not in table


def test_what_clickhouse_refuses_is_said_in_its_words(ask: Tidewire) -> None:
    """A mistake in SQL is one line with ClickHouse's own explanation, and code 1."""
    said = ask("query", "SELECT nothing FROM trades")
    assert (said.code, said.out) == (1, "")
    assert said.error.startswith("tidewire: ClickHouse: ")
    assert "nothing" in said.error
    assert "Traceback" not in said.error


@pytest.mark.parametrize(
    "sql", ["DROP TABLE trades", "INSERT INTO trades SELECT * FROM trades", "SET readonly = 0", "TRUNCATE TABLE trades"]
)
def test_a_query_changes_nothing(ask: Tidewire, sql: str) -> None:
    """Whatever is asked, it is asked read-only."""
    before = ask("query", "SELECT count() FROM trades").out
    assert ask("query", sql).code == 1
    assert ask("query", "SELECT count() FROM trades").out == before


def test_consume_decodes_what_is_there(ask: Tidewire) -> None:
    """Every message from the oldest on is a JSON line with its place; what is no event is shown with the reason, not left out."""
    found = objects(ask("consume", "trades", "--from", "earliest", "--no-follow"))
    places = [(one["partition"], one["offset"]) for one in found]
    assert len(set(places)) == len(places)
    (junk,) = [one for one in found if "error" in one]
    assert junk["key"] == "junk"
    assert junk["value"] == {"base64": "AAAAAAEg/yBpcyBubyB0cmFkZQ=="}
    trades = {(one["venue"], one["trade_id"]): one for one in found if "error" not in one}
    assert trades["binance", "0"]["price"] == "87232.000000000000000001"
    assert trades["binance", "0"]["event_time"] == START
    assert trades["kraken", "7"]["event_time"] is None


def test_consume_stops_at_its_limit(ask: Tidewire) -> None:
    """`--limit` counts lines, also where more is waited for; an empty topic ends at once without following."""
    assert len(objects(ask("consume", "trades", "--from", "earliest", "--limit", "2"))) == 2
    assert objects(ask("consume", "quotes", "--from", "earliest", "--no-follow")) == []


def test_consume_that_could_only_wait_is_refused(ask: Tidewire) -> None:
    """To end at the end and to begin there is nothing at all: the words say with what it goes together."""
    said = ask("consume", "trades", "--no-follow")
    assert said.code == 2
    assert "--from earliest" in said.error


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc/usdt", "BTC-USDT", "btc_usdt"])
def test_candles_are_found_in_any_spelling(ask: Tidewire, symbol: str) -> None:
    """One market on every venue, however it is written, oldest first."""
    found = objects(ask("candles", symbol, "--json"))
    assert [(one["venue"], one["close"]) for one in found] == [
        ("binance", "100.25"), ("kraken", "100.25"), ("binance", "101.25"), ("binance", "102.25"),
    ]  # fmt: skip
    assert {one["symbol"] for one in found} == {"BTCUSDT", "BTC/USDT"}
    assert found[0]["open_time"].startswith("2025-03-25 23:07:00")


def test_candles_can_be_narrowed(ask: Tidewire) -> None:
    """One interval, one venue, so many: the newest."""
    assert [one["venue"] for one in objects(ask("candles", "BTCUSDT", "--venue", "kraken", "--json"))] == ["kraken"]
    assert [one["close"] for one in objects(ask("candles", "BTCUSDT", "--limit", "1", "--json"))] == ["102.25"]
    assert len(objects(ask("candles", "BTCUSDT", "--interval", "1h", "--json"))) == 1
    table = ask("candles", "BTCUSDT").out
    assert "vwap" in table
    assert "…" not in table


def test_a_market_without_candles_is_no_error(ask: Tidewire) -> None:
    """Nothing yet is said on stderr, so that a program reads no row."""
    said = ask("candles", "DOGE/EUR", "--json")
    assert (said.code, said.out) == (0, "")
    assert "no 1m candle of DOGE/EUR yet; there are trades of" in said.error
    assert "binance BTCUSDT" in said.error
    assert "no 1m candle of BTCUSDT on mtgox yet" in ask("candles", "BTCUSDT", "--venue", "mtgox").error


def test_an_interval_there_is_not_is_refused(ask: Tidewire) -> None:
    """A misspelt interval is not an empty answer."""
    said = ask("candles", "BTCUSDT", "--interval", "7m")
    assert said.code == 2
    assert "1m" in said.error
    assert INTERVALS == NAMES
    shown = ask("candles", "--help").out
    assert all(name in shown for name in INTERVALS)


def test_the_ledger_of_gaps_shows_each_gap_once(ask: Tidewire) -> None:
    """Each gap is in its last state, newest first; `--open` leaves out what is closed."""
    found = objects(ask("gaps", "--json"))
    assert [(one["state"], one["repair"]) for one in found] == [("open", None), ("filled", "5 trades over REST")]
    assert [one["state"] for one in objects(ask("gaps", "--open", "--json"))] == ["open"]
    assert len(objects(ask("gaps", "--limit", "1", "--json"))) == 1
    assert "5 trades over REST" in ask("gaps").out


def test_the_doctor_finds_the_servers_well(ask: Tidewire, filled: Settings) -> None:
    """Servers, topics, schemas and tables are looked at one by one; that no stage runs is a warning with its cure, code 0."""
    said = ask("doctor")
    assert said.code == 0
    lines = {line.split()[1]: line for line in said.out.splitlines() if line[:4].strip() in {"ok", "warn", "fail"}}
    assert all(lines[name].startswith("ok") for name in ("Python", "Java", "Kafka", "topics", "schema", "schemas", "ClickHouse", "tables"))
    assert filled.kafka.brokers in lines["Kafka"]
    assert lines["stages"].startswith("warn")
    assert "`tidewire up` starts them all" in said.out


def test_the_doctor_names_what_fails_and_its_cure(ask: Tidewire) -> None:
    """A server that is set and not there is a failure with code 1, and the cure names the setting."""
    said = ask("doctor", CLICKHOUSE__URL="http://127.0.0.1:1", REGISTRY__URL="http://127.0.0.1:1")
    assert said.code == 1
    assert "fail ClickHouse" in said.out
    assert "mend clickhouse.url (TIDEWIRE_CLICKHOUSE__URL)" in said.out
    assert "fail schema registry" in said.out


def test_the_doctor_misses_tables(ask: Tidewire) -> None:
    """A database without our tables is a warning that says who makes them."""
    said = ask("doctor", CLICKHOUSE__DATABASE="elsewhere")
    assert said.code == 0
    assert "warn tables" in said.out
    assert "`tidewire run clickhouse`" in said.out


def test_a_stack_that_was_killed_is_not_found(tidewire: Tidewire, tmp_path: Path) -> None:
    """Addresses left behind by a stack that is gone are not taken for one that runs."""
    folder = tmp_path / "left"
    folder.mkdir()
    left = {"kafka": "127.0.0.1:1", "registry": "http://127.0.0.1:1/apis", "clickhouse": "http://127.0.0.1:1"}
    (folder / "addresses.json").write_text(json.dumps(left))
    said = tidewire("query", "SELECT 1", STATE_DIR=str(folder))
    assert said.code == 1
    assert "no stack runs in" in said.error
