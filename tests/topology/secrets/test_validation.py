"""Keys against simulated exchanges that check signatures: what may be used, what is refused and why, and what decides nothing."""

import asyncio
import base64
import threading
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from simulator.accounts import rest as accounts_rest
from simulator.accounts.accounts import Accounts, ApiKey
from simulator.server import Simulator, SimulatorSettings
from topology.clock import now
from topology.errors import Reject, Retry
from topology.secrets.credential import Credential, Permission, Validation
from topology.secrets.validation import check

EXCHANGES = tuple(accounts_rest.exchanges())
SECRET = base64.b64encode(b"canary-secret-of-thirty-bytes!").decode()
KEY = "canary-key"


class Exchanges:
    """Every exchange behind one address."""

    def __init__(self) -> None:
        self.accounts = Accounts(now)
        self.address = ""

    def add(self, exchange: str, *may: str, expires_us: int | None = None, addresses: tuple[str, ...] = ("10.0.0.1",)) -> None:
        """Add the key."""
        self.accounts.add(ApiKey(exchange, KEY, SECRET, frozenset(may), expires_us, addresses, "canary-words"))

    def check(self, exchange: str, *wanted: Permission, secret: str = SECRET) -> Validation:
        """Validate the key for a role that needs this."""
        found = Credential(
            exchange=exchange,
            environment="mainnet",
            api_key=SecretStr(KEY),
            api_secret=SecretStr(secret),
            passphrase=SecretStr("canary-words"),
            permissions=wanted,
        )
        return check(found, now, self.address)


@pytest.fixture(scope="module")
def exchanges() -> Iterator[Exchanges]:
    """Serve them from a thread: ccxt's calls wait."""
    served = Exchanges()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(accounts_rest.app(served.accounts), access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    host, port = runner.addresses[0][:2]
    served.address = f"http://{host}:{port}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield served
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(runner.cleanup())
    loop.close()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_key_that_may_what_it_needs(exchanges: Exchanges, exchange: str) -> None:
    """A rightly signed request of a living key tells what it may do, and it may be used."""
    exchanges.add(exchange, "read", "trade")
    asked = exchanges.accounts.asked
    found = exchanges.check(exchange, "read", "trade")
    assert found.ok
    assert found.detail.startswith("may read, trade")
    assert exchanges.accounts.asked == asked + 1


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_key_that_may_too_little(exchanges: Exchanges, exchange: str) -> None:
    """A read-only key is refused for a role that trades, by the name of what it lacks."""
    exchanges.add(exchange, "read")
    assert exchanges.check(exchange, "read").ok
    found = exchanges.check(exchange, "read", "trade")
    assert not found.ok
    assert found.detail == "it may not trade"


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_key_that_may_withdraw_must_be_named(exchanges: Exchanges, exchange: str) -> None:
    """A key that can withdraw is refused, unless its permissions name that."""
    exchanges.add(exchange, "read", "withdraw")
    found = exchanges.check(exchange, "read")
    assert not found.ok
    assert "it may withdraw and nobody named that" in found.detail
    assert exchanges.check(exchange, "read", "withdraw").ok


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize("why", ["unknown", "expired", "signature"])
def test_refused_keys_are_told_in_words_without_a_value(exchanges: Exchanges, exchange: str, why: str) -> None:
    """A key the exchange does not know, that has expired, or whose secret is wrong, is refused; nothing of it is shown."""
    exchanges.add(exchange, "read", expires_us=now() - 1 if why == "expired" else None)
    if why == "unknown":
        exchanges.accounts.end(exchange, KEY)
    secret = base64.b64encode(b"otherotherot").decode() if why == "signature" else SECRET
    found = exchanges.check(exchange, "read", secret=secret)
    assert not found.ok
    assert f"{exchange} refuses it" in found.detail
    assert "canary" not in found.detail
    assert "http" not in found.detail


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_exchange_that_is_away_decides_nothing(exchange: str) -> None:
    """Where nobody answers, it is to be asked again."""
    nobody = Exchanges()
    nobody.address = "http://127.0.0.1:9"
    with pytest.raises(Retry, match=f"{exchange} does not answer"):
        nobody.check(exchange, "read")


def test_a_secret_nothing_can_be_signed_with(exchanges: Exchanges) -> None:
    """A Kraken secret that is no base64 is refused before anything is sent, unshown."""
    found = exchanges.check("kraken", "read", secret="canary that is no base64!")
    assert not found.ok
    assert "canary" not in found.detail


def test_keys_for_any_address_are_noted(exchanges: Exchanges) -> None:
    """That a key works from anywhere is kept in the words of its validation."""
    exchanges.add("binance", "read", addresses=())
    assert exchanges.check("binance", "read").detail == "may read, from any IP address"


def test_unknown_exchanges_are_told() -> None:
    """An exchange without a probe is an error that names the file to write."""
    with pytest.raises(Reject, match=r"topology/secrets/exchanges/nowhere\.py"):
        Exchanges().check("nowhere")


async def test_the_simulator_knows_keys() -> None:
    """The simulated Kraken itself answers for keys that its control server was given, until they are taken away."""
    async with Simulator(SimulatorSettings(seed=1, levels=20)) as simulator, aiohttp.ClientSession() as session:
        made = {"exchange": "kraken", "key": KEY, "secret": SECRET, "permissions": ["read"]}
        async with session.post(f"{simulator.addresses['control']}/keys", json=made) as answer:
            assert answer.status == 200
        one = Exchanges()
        one.address = simulator.addresses["kraken_rest"]
        assert (await asyncio.to_thread(one.check, "kraken", "read")).ok
        async with session.delete(f"{simulator.addresses['control']}/keys/kraken/{KEY}") as answer:
            assert answer.status == 200
        assert not (await asyncio.to_thread(one.check, "kraken", "read")).ok
