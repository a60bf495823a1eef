"""Symbols as the venue itself lists them: asked of it at start, kept as typed with a warning where it does not say, told where silent."""

import json
from typing import cast

import pytest
from structlog.testing import capture_logs

from dialects.catalogue import all_dialects
from dialects.contract import Request
from producers import listing
from producers.rest import Rest
from simulator.faults import Fault
from simulator.server import Simulator
from tests.producers.conftest import Runs
from tests.producers.harness import Running
from topology.errors import Reject

LIST = "/api/v3/exchangeInfo"


def symbols_of(running: Running) -> tuple[str, ...]:
    """Return the symbols that are carried, in order."""
    return tuple(dict.fromkeys(stream.symbol for feed in running.stage.feeds for stream in feed.streams))


async def test_symbols_are_found_in_what_the_venue_lists(simulator: Simulator, producer: Runs) -> None:
    """Old names, other separators and a base alone are the venue's own markets; one it has not stays as typed, with those near it."""
    with capture_logs() as lines:
        async with producer("binance", symbols=("XBT-USDT", "eth", "ETHUSDT", "BTCUSD1"), channels=("quote",)) as running:
            assert symbols_of(running) == ("BTCUSDT", "ETHUSDT", "BTCUSD1")
    (told,) = [line for line in lines if "no such market" in line["event"]]
    assert (told["log_level"], told["symbol"], told["near"][0]) == ("warning", "BTCUSD1", "BTCUSDT")


@pytest.mark.parametrize("answer", [(200, "<html>"), (500, ""), (403, ""), (400, '{"code":-1100,"msg":"no"}'), (200, "{}")])
async def test_without_a_list_symbols_stay_as_typed(simulator: Simulator, producer: Runs, answer: tuple[int, str]) -> None:
    """Whatever the venue answers instead, capture begins with what was typed, and a warning says why."""
    status, body = answer
    await simulator.inject(Fault("answer", "binance", channel=LIST, status=status, body=body))
    with capture_logs() as lines:
        async with producer("binance", symbols=("BTCUSDT", "BNBUSD1"), channels=("quote",)) as running:
            assert symbols_of(running) == ("BTCUSDT", "BNBUSD1")
    (told,) = [line for line in lines if "stay as typed" in line["event"]]
    assert told["reason"]


class Lists:
    """OKX's lists, of which one is refused, or is none: it is Rest."""

    def __init__(self, wrong: str, answer: str | Reject) -> None:
        self.wrong = wrong
        self.answer = answer
        self.asked: list[str] = []

    async def get(self, request: Request, line: str = "") -> tuple[bytes, int]:
        """Answer a request for a list with one instrument of the kind."""
        assert line == "listing"
        kind = request.path.partition("instType=")[2]
        self.asked.append(kind)
        if kind == self.wrong or not self.wrong:
            if isinstance(self.answer, Reject):
                raise self.answer
            return self.answer.encode(), 1
        named = {"SPOT": "BTC-USDT", "SWAP": "BTC-USDT-SWAP"}.get(kind)
        listed = [{"instType": kind, "instId": named, "state": "live", "uly": "BTC-USDT"}] if named else []
        return json.dumps({"code": "0", "msg": "", "data": listed}).encode(), 1


@pytest.mark.parametrize("answer", [Reject("it is refused"), "{}"])
async def test_a_list_that_cannot_be_had_costs_no_other(answer: str | Reject) -> None:
    """The others are asked; symbols are found in them by letters alone, for parts may be another market's; others stay, with the reason."""
    typed = ("btc-usdt_swap", "BTC/USDT")
    for wrong, found in (("SPOT", ("BTC-USDT-SWAP", "BTC/USDT")), ("FUTURES", ("BTC-USDT-SWAP", "BTC-USDT")), ("", typed)):
        lists = Lists(wrong, answer)
        with capture_logs() as lines:
            assert await listing.spelled(typed, all_dialects()["okx"], cast("Rest", lists)) == found
        assert len(lists.asked) == 5
        told = [line["reason"] for line in lines if line["log_level"] == "warning"]
        assert len(told) == (found != ("BTC-USDT-SWAP", "BTC-USDT"))
        assert all("refused" in reason or "code" in reason for reason in told)


async def test_a_list_that_never_comes_holds_capture_up_for_a_moment(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is waited for so long and no longer."""
    monkeypatch.setattr(listing, "PATIENCE_SECONDS", 0.0)
    async with producer("binance", symbols=("BNBUSD1",), channels=("quote",)) as running:
        assert symbols_of(running) == ("BNBUSD1",)


async def test_default_symbols_are_not_asked_for(simulator: Simulator, producer: Runs) -> None:
    """They are the venue's own already: nothing is asked before capture begins."""
    await simulator.inject(Fault("answer", "binance", channel=LIST, body="<html>"))
    async with producer("binance", channels=("quote",)) as running:
        assert symbols_of(running) == ("BTCUSDT", "ETHUSDT")
    assert simulator.faults.log == []


async def test_a_market_that_the_venue_has_not_costs_no_others_instruments(simulator: Simulator, producer: Runs) -> None:
    """The venue refuses a request for many symbols where it has not one of them: the others are asked for without it, and it is told."""
    symbols = ("BTCUSDT", "BNBUSD1", "ETHUSDT")
    async with producer("binance", symbols=symbols, channels=("instrument", "quote")) as running:
        await running.until(lambda: len(running.published.all("reply")) == 2 and bool(running.published.notices("refused")))
        (refused,) = running.published.notices("refused")
    listed = [one["symbol"] for reply in running.published.all("reply") for one in json.loads(reply["payload"])["symbols"]]
    assert sorted(listed) == ["BTCUSDT", "ETHUSDT"]
    assert [tuple(stream) for stream in refused["streams"]] == [("instrument", "BNBUSD1")]


async def test_a_stream_that_is_silent_from_its_start_is_told_as_such(simulator: Simulator, producer: Runs) -> None:
    """The venue confirms a market that it has not: the notice says so, since the confirmation; one that spoke has other words."""
    async with producer("binance", symbols=("BTCUSDT", "BNBUSD1"), channels=("quote",), silence_seconds={"quote": 1.0}) as running:
        await simulator.step(50)
        await running.until(lambda: len(running.published.notices("silent")) >= 2)
        confirmed = next(one["received_at"] for one in running.published.all("notice") if b'"confirmed"' in one["payload"])
    told = {one["streams"][0][1]: one for one in reversed(running.published.notices("silent"))}
    assert told["BNBUSD1"]["since"] == confirmed
    assert told["BNBUSD1"]["reason"].startswith("not a word since it was confirmed")
    assert told["BTCUSDT"]["reason"] == "longer than 1 s"
