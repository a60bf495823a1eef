"""`tidewire` with nothing running: it helps, and where it can't go on it says what to do, in one line, and exits with 1 or 2."""

import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import get_type_hints

import pytest
import typer.main
from typer.testing import CliRunner

from console.command_line import app
from dialects.catalogue import all_dialects
from tests.command_line import Tidewire
from topology.flow import stages
from topology.secrets import exchanges
from topology.topics import all_topics

COMMANDS = {command.callback.__name__: command.callback for command in app.registered_commands if command.callback is not None}
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
REQUIRED = {"record": ("kraken", "--direct", "--out", "x.jsonl")}
NOWHERE = "http://127.0.0.1:1"


def test_help_names_every_command(tidewire: Tidewire) -> None:
    """`tidewire --help` lists all there is, and so does `tidewire` alone."""
    said = tidewire("--help")
    assert said.code == 0
    assert COMMANDS.keys() >= {"up", "run", "topics", "query", "consume", "candles", "gaps", "record", "doctor"}
    assert all(f" {name} " in said.out for name in COMMANDS)
    alone = tidewire()
    assert "up" in alone.out + alone.error


def test_it_says_its_version(tidewire: Tidewire) -> None:
    """`tidewire --version` prints name and version, as the project says them, and starts nothing."""
    said = tidewire("--version")
    assert (said.code, said.out) == (0, f"tidewire {tomllib.loads(PROJECT.read_text())['project']['version']}\n")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_helps(tidewire: Tidewire, name: str, flag: str) -> None:
    """Each command says what it does and what it takes."""
    said = tidewire(name, flag)
    assert said.code == 0
    assert f"Usage: tidewire {name}" in said.out
    first = (COMMANDS[name].__doc__ or "").split()[:3]
    assert " ".join(first) in said.out
    group = typer.main.get_command(app)
    for parameter in group.commands[name].params:  # type: ignore[attr-defined]  # a group, to those who run it
        shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name
        assert shown in said.out


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("run",), all_dialects()),
        (("record",), all_dialects()),
        (("secrets", "put"), [entry.name for entry in pkgutil.iter_modules(exchanges.__path__)]),
    ],
    ids=["run", "record", "secrets put"],
)
def test_help_names_what_there_is(tidewire: Tidewire, words: tuple[str, ...], known: Iterable[str]) -> None:
    """Where a venue or an exchange is to be named, help names all of them."""
    said = tidewire(*words, "--help")
    assert ", ".join(known) in " ".join(said.out.replace("│", " ").split())


def test_help_costs_no_client() -> None:
    """Asking for help loads neither Kafka nor ClickHouse: it is there at once."""
    heavy = "{'confluent_kafka', 'clickhouse_connect', 'faust', 'polars', 'aiohttp'}"
    code = f"import sys, console.command_line; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "SELECT 1"),
        ("consume", "trades"),
        ("candles", "BTCUSDT"),
        ("gaps",),
        ("record", "binance", "--out", "frames.jsonl"),
        ("run", "normalise"),
        ("run", "producers", "binance"),
    ],
    ids=" ".join,
)
def test_without_a_stack_it_says_how_to_start_one(tidewire: Tidewire, arguments: tuple[str, ...]) -> None:
    """What needs servers names the command that starts them, and the settings that name others; nothing is printed as an answer."""
    said = tidewire(*arguments)
    assert (said.code, said.out) == (1, "")
    assert said.error.startswith("tidewire: no stack runs in ")
    assert "`tidewire up`" in said.error
    assert "TIDEWIRE_" in said.error
    assert said.error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "normalize"), f"no stage is called 'normalize'; there are {', '.join(stages())}"),
        (("run", "producers"), f"tidewire run producers VENUE …, of {', '.join(all_dialects())}"),
        (("run", "producers", "mtgox"), f"tidewire run producers VENUE …, of {', '.join(all_dialects())}"),
        (("run", "producers", "kraken", "mtgox"), f"tidewire run producers VENUE …, of {', '.join(all_dialects())}"),
        (("run", "normalise", "binance", "kraken"), "normalise serves all venues: leave binance kraken out"),
        (("up", "--stages", "normalize", "--plain"), f"no stage is called normalize; there are {', '.join(stages())}"),
        (("up", "--simulated", "--symbols", "NOPE", "--plain"), "the simulated market has no NOPEUSDT (binance), "),
        (("up", "--symbols", "///", "--plain"), "no market is called '///'"),
        (("record", "mtgox", "--out", "x"), f"no dialect speaks 'mtgox'; there are {', '.join(all_dialects())}"),
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_a_wrong_name_is_answered_with_those_there_are(tidewire: Tidewire, arguments: tuple[str, ...], words: str) -> None:
    """A stage or venue that does not exist is one line that lists what does."""
    said = tidewire(*arguments)
    assert said.code == 1
    assert words in said.error
    assert "Traceback" not in said.error


def test_a_wrong_topic_is_answered_with_those_there_are(tidewire: Tidewire) -> None:
    """The name of a topic is looked at before any server is asked."""
    said = tidewire("consume", "trade", KAFKA__BROKERS="127.0.0.1:1", REGISTRY__URL=NOWHERE)
    assert said.code == 1
    assert f"no topic 'trade'; there are {', '.join(all_topics())}" in said.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("query",),
        ("consume", "trades", "--from", "yesterday"),
        ("candles", "BTC", "--limit", "0"),
        ("no-such-command",),
        ("up", "--colour"),
        ("up", "--rate", "inf"),
        ("up", "--duration", "nan"),
        ("record", "kraken", "--direct", "--out", "x.jsonl", "--seconds", "inf"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(tidewire: Tidewire, arguments: tuple[str, ...]) -> None:
    """What the command line itself does not understand is code 2, and points to help."""
    said = tidewire(*arguments)
    assert said.code == 2
    assert "Usage: tidewire" in said.error


NUMBERS = [(name, f"--{option}") for name, call in COMMANDS.items() for option, kind in get_type_hints(call).items() if kind is float]
"""Every option that takes a number with decimals."""


@pytest.mark.parametrize(("name", "option"), NUMBERS, ids=[" ".join(one) for one in NUMBERS])
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "-1", "1e300", "", "x", "0x10", "1_0__0"])
def test_a_number_that_nobody_means_is_code_2(name: str, option: str, value: str) -> None:
    """No option of numbers takes what no clock and no rate can be; the message names the option, and nothing is started."""
    said = CliRunner().invoke(app, [name, *REQUIRED.get(name, ()), option, value])
    assert (said.exit_code, option in said.output) == (2, True), said.output


@pytest.mark.parametrize("option", ["--stages", "--venues", "--symbols"])
@pytest.mark.parametrize("value", [",", ",,,", " ", " , ,"])
def test_a_list_of_nothing_is_code_2(option: str, value: str) -> None:
    """A list that names nothing is not taken for one that was not given: that would start everything."""
    said = CliRunner().invoke(app, ["up", option, value])
    assert (said.exit_code, "names nothing" in said.output) == (2, True), said.output


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (("topics",), "kafka.brokers"),
        (("consume", "trades"), "kafka.brokers"),
        (("query", "SELECT 1"), "clickhouse.url"),
        (("candles", "BTC"), "clickhouse.url"),
        (("gaps",), "clickhouse.url"),
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_a_server_that_does_not_answer_is_named_with_its_setting(tidewire: Tidewire, arguments: tuple[str, ...], setting: str) -> None:
    """Where an address is set and nobody is there, the line names the setting to mend."""
    said = tidewire(*arguments, KAFKA__BROKERS="127.0.0.1:1", REGISTRY__URL=NOWHERE, CLICKHOUSE__URL=NOWHERE)
    assert said.code == 1
    assert said.error.startswith("tidewire: ")
    assert setting in said.error
    assert len(said.error.splitlines()) == 1


def test_topics_are_listed_without_a_broker(tidewire: Tidewire) -> None:
    """What is declared needs no server: every topic with its readers and writers, and no count of messages."""
    said = tidewire("topics")
    assert said.code == 0
    for name in all_topics():
        assert name in said.out
    assert "rebuild_books detect_gaps clickhouse" in said.out


def test_a_wrong_setting_is_one_line(tidewire: Tidewire) -> None:
    """Every command looks at the settings first, and names the wrong one."""
    said = tidewire("topics", KAFKA__BROKER="x")
    assert said.code == 1
    assert "kafka.broker: there is no such setting" in said.error


def test_a_reader_who_has_had_enough_is_told_no_more() -> None:
    """`tidewire topics | head -1` ends without a word on stderr, whatever is left to say."""
    with subprocess.Popen(
        [sys.executable, "-m", "console.command_line", "topics", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait(30) == 1
    assert error == b""
