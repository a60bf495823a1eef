"""Keys that expire and are replaced while the whole pipeline runs under load: the stream never stops, and no secret is seen anywhere."""

import asyncio
import base64
import json
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from local import LocalStack
from simulator.accounts.accounts import ApiKey
from simulator.server import Simulator
from simulator.venues.kraken.venue import Kraken
from tests.pipeline.canaries import Search
from tests.pipeline.harness import Pipeline, settings
from tests.pipeline.havoc import load
from tests.pipeline.ledger import everything_is_read, made, stored, stored_trades, true_trades
from topology.secrets.credential import Credential, Identity
from topology.secrets.credentials import Credentials
from topology.secrets.local_key import create_key_file
from topology.secrets.opening import open_credentials
from topology.secrets.settings import Secrets

KRAKEN = Identity("kraken", "mainnet")
PASSWORD = "canary-of-a-servers-password"


def api_key(number: int) -> ApiKey:
    """Return the key of a version; every value of it is a canary."""
    secret = base64.b64encode(f"canary of an api secret, version {number}".encode()).decode()
    return ApiKey("kraken", f"canary-of-an-api-key-{number}", secret, frozenset({"read"}))


def credential(key: ApiKey) -> Credential:
    """Return what an operator stores of a key."""
    return Credential(
        exchange="kraken", environment="mainnet", api_key=SecretStr(key.key), api_secret=SecretStr(key.secret), permissions=("read",)
    )


def environment(folder: Path, simulator: Simulator) -> dict[str, str]:
    """Return what makes the stages read secrets: a credential for Kraken, passwords by reference."""
    own = {
        venue: {
            "websocket": simulator.addresses[f"{venue}_ws"],
            "rest": simulator.addresses[f"{venue}_rest"],
            "origin": "simulated",
            "symbols": [one.instrument.wire_symbol for one in simulator.venues[venue].listings.values()],
        }
        for venue in simulator.venues
    }
    own["kraken"] |= {"authenticated": simulator.addresses["kraken_authenticated_ws"], "credential": KRAKEN.environment}
    return {
        "TIDEWIRE_VENUES": json.dumps(own),
        "TIDEWIRE_SECRETS__FOLDER": str(folder / "secrets"),
        "TIDEWIRE_SECRETS__KEY_FILE": str(folder / "secrets.key"),
        "TIDEWIRE_SECRETS__AUDIT_QUEUE": str(folder / "credential_audit.jsonl"),
        "TIDEWIRE_SECRETS__POLL_SECONDS": "0.5",
        "TIDEWIRE_CLICKHOUSE__PASSWORD": "vault:clickhouse#password",
        "TIDEWIRE_REGISTRY__USER": "tidewire",
        "TIDEWIRE_REGISTRY__PASSWORD": "vault:registry#password",
        "TIDEWIRE_LOG__LEVEL": "debug",
    }


def opened(folder: Path) -> Credentials:
    """Make a local store with the servers' passwords, and open it as an operator does."""
    create_key_file(folder / "secrets.key")
    secrets = Secrets(
        provider="local",
        folder=folder / "secrets",
        key_file=folder / "secrets.key",
        audit_queue=folder / "credential_audit.jsonl",
    )
    found = open_credentials(secrets)
    for server in ("clickhouse", "registry"):
        found.store.put(server, {"password": PASSWORD}, 0, found.audit.author)
    return found


def acted(pipeline: Pipeline, action: str, success: bool = True) -> list[int]:
    """Return the versions of which the producer's audit says that, in order."""
    rows = pipeline.query(
        f"SELECT secret_version FROM credential_audit FINAL WHERE credential = '{KRAKEN.path}' AND toString(action) = '{action}' "
        f"AND success = {int(success)} AND actor = 'producers-kraken' ORDER BY secret_version"
    )
    return [version for (version,) in rows]


@pytest.mark.parametrize(
    "rotations", [pytest.param(5, marks=pytest.mark.timeout(600)), pytest.param(20, marks=[pytest.mark.chaos, pytest.mark.timeout(600)])]
)
async def test_rotations_lose_nothing_and_leak_nothing(tmp_path: Path, stack: LocalStack, rotations: int) -> None:
    """Each key ends once the next is in use: every order change and trade is there once, no gap; and no secret is written anywhere."""
    credentials = opened(tmp_path)
    simulated = Simulator(settings(rate=400.0, orders=True))
    async with simulated as simulator:
        keys = [api_key(number) for number in range(1, rotations + 4)]
        simulator.accounts.add(keys[0])
        credentials.put(credential(keys[0]))
        orders = simulator.venues["kraken"]
        assert isinstance(orders, Kraken)
        async with Pipeline(tmp_path, simulator, stack=stack, environment=environment(tmp_path, simulator)) as pipeline:

            def carried_by(key: ApiKey) -> bool:
                """Whether the authenticated connections there are were opened with this key."""
                private = [set(one.keys.values()) for one in orders.connections.values() if one.keys]
                return bool(private) and all(names == {key.key} for names in private)

            async with load(simulator):
                for number in range(1, rotations + 1):
                    simulator.accounts.add(keys[number])
                    credentials.put(credential(keys[number]))
                    await pipeline.until(partial(carried_by, keys[number]), f"version {number + 1} is in use")
                    simulator.accounts.end("kraken", keys[number - 1].key)
                # Unknown at the exchange: it is refused, and the stream goes on with the one before.
                credentials.put(credential(keys[rotations + 1]))
                await pipeline.until(lambda: acted(pipeline, "refuse", success=False) == [rotations + 2], "the unknown key is refused")
                assert carried_by(keys[rotations])
            await simulator.pause()
            await pipeline.until(lambda: stored(pipeline) >= made(simulator), "every trade is in ClickHouse")
            assert stored_trades(pipeline) == true_trades(simulator)
            await everything_is_read(pipeline)
            for symbol, listing in orders.listings.items():
                truth = {
                    Change(one.order_id, one.action, Decimal(one.price), Decimal(one.size), one.time_us)
                    for one in orders.orders.changes(symbol)
                }
                found = changes(pipeline, listing.instrument.wire_symbol)
                assert len(found) == len(set(found)), "some are there twice"
                assert set(found) == truth, f"{symbol}: {len(truth - set(found))} are missing, {len(set(found) - truth)} were never made"
            assert pipeline.query("SELECT * FROM gaps FINAL") == []
            assert pipeline.query("SELECT * FROM dead_letters FINAL") == []
            await pipeline.until(lambda: acted(pipeline, "rotate") == list(range(2, rotations + 2)), "every rotation is audited")

            # Then things go wrong: the key in use expires before another is there, the producer is killed, the store is spoiled.
            credentials.store.put(KRAKEN.path, {"api_key": keys[0].key}, rotations + 2, credentials.audit.author)
            await pipeline.until(lambda: acted(pipeline, "refuse", success=False)[-1] == rotations + 3, "the malformed version is refused")
            async with load(simulator):
                simulator.accounts.add(replace(keys[rotations], expires_us=1))
                await pipeline.until(lambda: not any(one.keys for one in orders.connections.values()), "the exchange ends the connection")
                await pipeline.strike("kraken")
                await pipeline.mend("kraken")
                simulator.accounts.add(keys[rotations + 2])
                credentials.put(credential(keys[rotations + 2]))
                await pipeline.until(lambda: carried_by(keys[rotations + 2]), "the next key is in use")
                tokens = list(orders._tokens._given)
                assert len(tokens) > rotations
                search = Search(["canary-of-", "canary of an api secret", *tokens[:5]])
                await asyncio.to_thread(search.processes, pipeline)
            await asyncio.to_thread(search.topics, pipeline.stack.addresses.kafka)
            await asyncio.to_thread(search.tables, pipeline)
    search.files(tmp_path)
    search.files(stack.state_dir)
    assert search.searched > 1_000_000
    assert search.found == []


class Change(NamedTuple):
    """What happened to an order; `time` in microseconds since 1970 UTC."""

    order_id: str
    action: str
    price: Decimal
    size: Decimal
    time: int


def changes(pipeline: Pipeline, symbol: str) -> list[Change]:
    """Return a symbol's order changes in ClickHouse, one row of each identity."""
    rows = pipeline.query(
        "SELECT order_id, toString(action), price, size, toUnixTimestamp64Micro(assumeNotNull(event_time)) "
        f"FROM order_deltas FINAL WHERE venue = 'kraken' AND symbol = '{symbol}' AND toString(action) != 'snapshot'"
    )
    return [Change(*row) for row in rows]
