"""The simulator as a child process, found to be reachable, labelled for what it is, and recorded as a venue would be."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialects.catalogue import all_dialects
from local.market import listed, live, simulated, simulator_bases, simulator_venues, wanted
from local.reachability import unreachable
from local.simulator_process import SimulatorProcess
from local.watchdog import Watchdog
from tests.command_line import Tidewire
from tests.dialects.recorded import read_excerpt
from topology.errors import Fatal
from topology.settings import Settings, Venue


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimulatorProcess, dict[str, str]]]:
    """Start a simulator; hand out its process and its addresses."""
    watchdog = Watchdog()
    process = SimulatorProcess(("BTC", "ETH"), 200, tmp_path_factory.mktemp("logs"), watchdog)
    try:
        yield process, process.serve(60)
    finally:
        process.stop(10)
        watchdog.close()


@pytest.fixture
def served(simulator: tuple[SimulatorProcess, dict[str, str]]) -> dict[str, str]:
    """Return its addresses."""
    return simulator[1]


def test_it_serves_every_dialect(served: dict[str, str]) -> None:
    """Each venue has a websocket and a REST address, and all of it a control address."""
    for venue in all_dialects():
        assert served[f"{venue}_ws"].startswith("ws://127.0.0.1:")
        assert served[f"{venue}_rest"].startswith("http://127.0.0.1:")
    assert served["control"].startswith("http://127.0.0.1:")


def test_a_venue_that_grants_a_websocket_is_reached(served: dict[str, str]) -> None:
    """Reachability is a granted websocket: no reason is given for the venue that grants one."""
    venues = {venue: Venue(websocket=served[f"{venue}_ws"]) for venue in all_dialects()}
    assert unreachable(venues, 20) == dict.fromkeys(all_dialects(), "")


def test_why_a_venue_is_not_reached_is_told(served: dict[str, str]) -> None:
    """A port without a server, a server that is no websocket, and one that says nothing: each in words, all within the time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        places = {
            "nobody": "ws://127.0.0.1:1",
            "silent": f"ws://127.0.0.1:{silent.getsockname()[1]}",
            "no websocket": served["control"].replace("http:", "ws:"),
        }
        reasons = {name: unreachable({"binance": Venue(websocket=place)}, 2)["binance"] for name, place in places.items()}
    assert "Connect call failed" in reasons["nobody"]
    assert reasons["silent"] == "no answer within 2 s"
    assert reasons["no websocket"].startswith("HTTP 404")


def test_what_is_simulated_is_labelled_so(served: dict[str, str]) -> None:
    """Each venue of a simulated market has the simulator's addresses, its symbols, and an origin nobody takes for a market."""
    reasons = dict.fromkeys(all_dialects(), "no answer")
    market = simulated(wanted(Settings()), served, reasons)
    assert market.origin == "simulated"
    assert (market.unreachable, market.left_out) == (reasons, {})
    for name, venue in market.venues.items():
        assert (venue.origin, venue.websocket, venue.rest) == ("simulated", served[f"{name}_ws"], served[f"{name}_rest"])
        assert venue.symbols == all_dialects()[name].default_symbols
    with pytest.raises(Fatal, match="serves none of binance"):
        simulated({"binance": Venue()}, {}, {})


def test_the_simulator_is_shown_no_credential() -> None:
    """A venue with a credential is simulated without it and without the channels that need it."""
    venue = Venue(credential="mainnet", channels=("trade", "orders"))
    market = simulated({"kraken": venue}, {"kraken_ws": "ws://x", "kraken_rest": "http://x"}, {})
    assert market.venues["kraken"].credential == ""
    assert market.venues["kraken"].channels == ("trade",)


def test_a_venue_of_private_channels_alone_is_not_simulated() -> None:
    """A venue of which only channels that need a credential are wanted is left out in words, not simulated with all its channels."""
    wanted_ones = {"kraken": Venue(credential="mainnet", channels=("orders",)), "binance": Venue()}
    addresses = {f"{venue}_{kind}": "x" for venue in wanted_ones for kind in ("ws", "rest")}
    market = simulated(wanted_ones, addresses, {"kraken": "no answer"})
    assert list(market.venues) == ["binance"]
    assert market.left_out == {"kraken": "orders can't be simulated without a credential"}
    assert market.unreachable == {"kraken": "no answer"}
    with pytest.raises(Fatal, match="serves none of kraken"):
        simulated({"kraken": wanted_ones["kraken"]}, addresses, {})


def test_only_what_is_wanted_is_simulated() -> None:
    """The simulator is asked for the venues of the run that it can speak for; the others are left out, and none at all is fatal."""
    assert simulator_venues({"kraken": Venue(), "mtgox": Venue()}) == ("kraken",)
    market = simulated({"kraken": Venue(), "binance": Venue()}, {"kraken_ws": "x", "kraken_rest": "x"}, {})
    assert (list(market.venues), market.left_out) == (["kraken"], {"binance": "it is not simulated"})
    with pytest.raises(Fatal, match="serves none of mtgox, but "):
        simulator_venues({"mtgox": Venue()})


def test_a_market_is_live_where_any_venue_is_reached() -> None:
    """The venues that answer are the market, the others are left out with their reason; where none answers there is no market."""
    venues = {"binance": Venue(), "kraken": Venue()}
    market = live(venues, {"binance": "", "kraken": "no answer"})
    assert market is not None
    assert (market.origin, list(market.venues), market.unreachable) == ("live", ["binance"], {"kraken": "no answer"})
    assert market.left_out == {}
    assert live(venues, dict.fromkeys(venues, "no answer")) is None
    own = live({"binance": Venue(origin="simulated")}, {})
    assert own is not None
    assert own.origin == "simulated"


def test_symbols_are_spelled_as_each_venue_does() -> None:
    """`--symbols BTC,ETH-USD` asks each venue in its own spelling; the simulator must trade what is asked for."""
    found = wanted(Settings(), ("sol", "ETH-USDC", "SOL"))
    assert found["binance"].symbols == ("SOLUSDT", "ETHUSDC")
    assert found["kraken"].symbols == ("SOL/USD", "ETH/USDC")
    assert simulator_bases(found) == ("SOL", "ETH")
    with pytest.raises(Fatal, match="no dialect speaks mtgox"):
        wanted(Settings(venues={"mtgox": Venue()}))


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        (("NOPE",), "has no NOPEUSDT (binance), NOPE/USD (kraken); it trades BTC, ETH, "),
        (("BTC", "ETHH"), "has no ETHHUSDT (binance), ETHH/USD (kraken); near: ETHUSDT (binance), ETH/USD (kraken)."),
        (("ETH/EUR",), "has no ETHEUR (binance), ETH/EUR (kraken); near: ETHUSDT (binance), ETH/USD (kraken)."),
    ],
)
def test_a_market_that_nobody_lists_is_refused(symbols: tuple[str, ...], words: str) -> None:
    """The simulator makes up no market for a name that it does not know: it says which it trades, or which are near."""
    with pytest.raises(Fatal) as caught:
        listed(wanted(Settings(), symbols, ("binance", "kraken")))
    assert words in str(caught.value)
    with pytest.raises(Fatal, match="the simulated market has no XBT/USD"):
        listed({"kraken": Venue(symbols=("BTC/USD", "XBT/USD"))})


def test_what_a_venue_does_not_list_is_left_out_of_it() -> None:
    """A market that another venue lists is asked of that one alone; a venue of which nothing is left is not carried. Both are told."""
    venues, unlisted = listed(wanted(Settings(), ("BTCUSDT", "ETH"), ("binance", "kraken")))
    assert (venues["binance"].symbols, venues["kraken"].symbols) == (("BTCUSDT", "ETHUSDT"), ("ETH/USD",))
    assert unlisted == {"kraken": "the simulated market lists no BTC/USDT here"}
    assert list(listed(wanted(Settings(), ("BTCUSDT",), ("binance", "kraken")))[0]) == ["binance"]


def test_every_venue_lists_its_own_symbols() -> None:
    """The symbols that a run asks for where none is named are in the simulated market, at every venue."""
    everything = wanted(Settings(), venues=tuple(all_dialects()))
    assert listed(everything) == (everything, {})
    assert listed({"mtgox": Venue(symbols=("BTC",))}) == ({"mtgox": Venue(symbols=("BTC",))}, {})  # not simulated: said elsewhere


@pytest.mark.parametrize("symbol", ["/", "///", "-USD", " "])
def test_a_symbol_without_a_base_is_refused(symbol: str) -> None:
    """Such a name is no market at any venue."""
    with pytest.raises(Fatal, match="no market is called"):
        wanted(Settings(), ("BTC", symbol))


def test_a_venue_is_recorded_directly(served: dict[str, str], tidewire: Tidewire, tmp_path: Path) -> None:
    """`record --direct` needs no stack: it opens a connection of its own and writes what comes, readable by the tests of dialects."""
    out = tmp_path / "kraken_direct.jsonl"
    venues = {"kraken": {"websocket": served["kraken_ws"], "rest": served["kraken_rest"], "origin": "simulated", "symbols": ["BTC/USD"]}}
    said = tidewire("record", "kraken", "--direct", "--seconds", "3", "--out", str(out), VENUES=json.dumps(venues))
    assert said.code == 0, said.error
    assert json.loads(out.read_text().splitlines()[0])["origin"] == "simulated"
    payloads = [one.frame.payload for one in read_excerpt(out)]
    assert any(b'"channel":"book","type":"snapshot"' in payload for payload in payloads)


def test_a_venue_that_is_away_is_not_recorded(tidewire: Tidewire, tmp_path: Path) -> None:
    """Where the venue can't be reached, the line says so, and code 1."""
    venues = {"binance": {"websocket": "ws://127.0.0.1:1"}}
    said = tidewire("record", "binance", "--direct", "--out", str(tmp_path / "x.jsonl"), VENUES=json.dumps(venues))
    assert said.code == 1
    assert said.error.startswith("tidewire: binance can't be reached")


def test_started_again_it_is_at_the_same_addresses(simulator: tuple[SimulatorProcess, dict[str, str]]) -> None:
    """A simulator that died comes back where the producers look for it."""
    process, addresses = simulator
    process.stop(20)
    assert process.serve(60) == addresses


def test_one_that_cannot_start_is_fatal(tmp_path: Path) -> None:
    """What it said last is in the error, with the log to look at."""
    watchdog = Watchdog()
    try:
        process = SimulatorProcess(("BTC",), 200, tmp_path, watchdog)
        process.command += ["--no-such-option"]
        with pytest.raises(Fatal, match=r"the simulator did not start \(.*simulator\.log\): .*no-such-option"):
            process.serve(60)
    finally:
        process.stop(10)
        watchdog.close()


def test_a_run_carries_the_venues_it_is_told_of() -> None:
    """Those named on the command line, else those of the settings, else the few that say so themselves; a wrong name is refused."""
    by_default = [name for name, dialect in all_dialects().items() if dialect.by_default]
    assert 0 < len(by_default) < len(all_dialects())
    assert list(wanted(Settings())) == by_default
    settings = Settings(venues={"kraken": Venue(symbols=("ETH/USD",))})
    assert list(wanted(settings)) == ["kraken"]
    assert list(wanted(settings, venues=("bybit_linear", "kraken"))) == ["bybit_linear", "kraken"]
    assert wanted(settings, venues=("kraken",))["kraken"].symbols == ("ETH/USD",)
    with pytest.raises(Fatal, match="no dialect speaks mtgox"):
        wanted(settings, venues=("mtgox",))
