"""Every stage on a cluster with TLS, logins and ACLs: the ACLs are those that `tidewire acls` prints, and nobody has any other."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from functools import partial

import clickhouse_connect
import pytest
import pytest_asyncio

from local import Addresses
from local.watchdog import Watchdog
from schemas.catalogue import event
from simulator.server import Simulator, SimulatorSettings
from tests.secured.broker import SecuredBroker
from tests.secured.conftest import ROLES
from tests.secured.stages import DATABASE, SecuredStages, each_time, until
from topology.access import OPERATIONS
from topology.clickhouse import password_of
from topology.flow import stages
from topology.grants import Role
from topology.settings import ClickHouse

VENUES = ("binance", "kraken")
RUNNING = {name: role for name, role in ROLES.items() if role.stage and role.venue in {"", *VENUES}}
STOP_SECONDS = 10.0
OFTEN_SILENT = {event(name).topic.of() for name in ("dead_letter", "credential_audit")}
"""What is written only where something is amiss, or where a secret is read."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def run(
    cluster: SecuredBroker, stack_addresses: Addresses, watchdog: Watchdog, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SecuredStages]:
    """Run every stage with two simulated venues until candles, books and trades are in ClickHouse."""
    async with Simulator(SimulatorSettings(levels=50, rate=500.0, venues=VENUES)) as simulator:
        venues = {
            venue: {
                "websocket": simulator.addresses[f"{venue}_ws"],
                "rest": simulator.addresses[f"{venue}_rest"],
                "origin": "simulated",
                "symbols": [listing.instrument.wire_symbol for (name, _), listing in simulator.market.listings.items() if name == venue],
            }
            for venue in VENUES
        }
        environment = {
            "TIDEWIRE_VENUES": json.dumps(venues),
            "TIDEWIRE_HEALTH__HANG_SECONDS": "2",
            "TIDEWIRE_STOP_SECONDS": str(STOP_SECONDS),
        }
        found = SecuredStages(tmp_path_factory.mktemp("stages"), cluster, stack_addresses, environment, watchdog)
        try:
            for role in reversed(RUNNING.values()):
                found.start(role)
            for role in RUNNING.values():
                await asyncio.to_thread(until, partial(is_ready, found, role), f"{role.name} is ready")
            await simulator.step(1_500)
            await simulator.pause()
            await asyncio.to_thread(stored, found)
            yield found
        finally:
            await asyncio.to_thread(found.stop)


def is_ready(run: SecuredStages, role: Role) -> bool:
    """Whether a role's stage does its work."""
    return not run.ready(role)


def stored(run: SecuredStages) -> None:
    """Wait until the tables have rows of each kind that the market makes."""
    password = password_of(ClickHouse(password_file=run.addresses.clickhouse_password_file))
    client = clickhouse_connect.get_client(dsn=run.addresses.clickhouse, password=password, autogenerate_session_id=False)
    try:
        for table in ("frames", "trades", "book_deltas", "candles", "book_snapshots"):
            until(partial(client.command, f"SELECT count() FROM {DATABASE}.{table}"), f"{table} has rows")
    finally:
        client.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", RUNNING)
async def test_a_stage_works_with_what_the_flow_grants(run: SecuredStages, name: str) -> None:
    """Each stage reads all that it is granted as its own user and group, writes, and is refused nothing: it asks for nothing more."""
    role = RUNNING[name]
    assert not run.ready(role)
    assert run.judged("Denied").get(name, set()) == set(), run.log(role)
    used = run.judged("Allowed").get(name, set())
    granted = {(OPERATIONS[one.operation].name, one.kind, one.name) for one in role.grants}
    unused = {one for one in granted - used if one[0] != "WRITE"}
    assert unused == set()
    written = {one[2] for one in used if one[0] == "WRITE"}
    assert written - OFTEN_SILENT or set(stages()[role.stage].writes) <= {"dead_letter", "gap"}
    assert written <= {one.name for one in role.grants if one.operation == "Write"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", each_time(RUNNING, "normalise", "producers-kraken"))
async def test_a_stage_that_hangs_is_not_alive(run: SecuredStages, name: str) -> None:
    """While the loop that does its work hangs /health is 503 and says so, though its own thread answers; it is alive again after."""
    role = RUNNING[name]
    assert run.health(role) == (200, "alive")
    run.processes[name].send_signal(signal.SIGALRM)
    await asyncio.to_thread(until, lambda: run.health(role) == (503, "hanging"), "it is told that it hangs")
    run.goes_on(role).touch()
    await asyncio.to_thread(until, lambda: run.health(role) == (200, "alive"), "it is alive again")


@pytest.mark.asyncio(loop_scope="module")
async def test_every_stage_stops_in_time_while_no_broker_answers(run: SecuredStages, cluster: SecuredBroker) -> None:
    """A broker that hangs holds up nobody's end: each stage that is asked to stop has ended within stop_seconds, killed by nobody."""
    os.kill(cluster.server.child.pid, signal.SIGSTOP)
    try:
        codes = await asyncio.to_thread(run.stop, STOP_SECONDS + 15.0)
    finally:
        os.kill(cluster.server.child.pid, signal.SIGCONT)
    assert codes.keys() == RUNNING.keys()
    assert {name: code for name, code in codes.items() if code not in {0, 1}} == {}, "a negative code is a signal that killed it"
