"""Single orders, from the simulated venue's bytes to events: every change there was, once, however many connections hear it."""

from typing import Any

import aiohttp
import pytest

from dialects.contract import Endpoints
from dialects.kraken.dialect import Kraken
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.catalogue import event
from schemas.decimals import encode
from simulator.server import Simulator, SimulatorSettings
from simulator.venues.kraken import venue as simulated
from tests.dialects.recorded import frame
from tests.simulator import clients

SPOKEN = Kraken()
STREAMS = [Stream("orders", "BTC/USD"), Stream("orders", "ETH/USD")]
IDENTITY = event("order_delta").identity


async def subscribed(client: aiohttp.ClientSession, simulator: Simulator) -> clients.Listener:
    """Open a connection as the dialect says, with every stream of STREAMS confirmed."""
    token = (await clients.kraken_token(client, simulator))["result"]["token"]
    addresses = simulator.addresses
    there = Endpoints(addresses["kraken_ws"], addresses["kraken_rest"], addresses["kraken_authenticated_ws"])
    listener = clients.Listener(await client.ws_connect(SPOKEN.url(there, STREAMS), max_msg_size=0), "kraken")
    for subscription in SPOKEN.session().ask(STREAMS, token):
        await listener.socket.send_str(subscription.message.decode())
    await listener.settle()
    return listener


def read(connection_id: str, texts: list[str]) -> list[dict[str, Any]]:
    """Return the events of a connection's messages."""
    made: list[dict[str, Any]] = []
    for place, text in enumerate(texts, 1):
        one = frame("kraken", text)._replace(connection_id=connection_id, connection_sequence=place)
        header = {"venue": one.venue, "connection_id": connection_id, "connection_sequence": place}
        made += [header | record for name, record in SPOKEN.read(one, Memory()) if name == "order_delta"]
    return made


@pytest.mark.parametrize("levels", [120, 1000])
async def test_each_change_is_one_identity(levels: int) -> None:
    """Changes heard on two connections have one identity each and are those there were; each connection's snapshot is its own.

    In a book deeper than what is subscribed, an order that comes back into the depth is told again: the same event, of one identity.
    """
    async with (
        Simulator(SimulatorSettings(seed=5, levels=levels, venues=("kraken",), orders=True)) as simulator,
        clients.session() as client,
    ):
        simulator.accounts.add(clients.KRAKEN_KEY)
        listeners = [await subscribed(client, simulator) for _ in range(2)]
        venue = simulator.venues["kraken"]
        assert isinstance(venue, simulated.Kraken)
        await simulator.step(2500)
        heard = [await listener.texts() for listener in listeners]
        hearing = SPOKEN.session()
        confirmed = [stream for text in heard[0] for stream in hearing.hear(text.encode()).confirmed]
        assert confirmed == STREAMS
        assert {hearing.hear(text.encode()).stream for text in heard[0]} - {None} == set(STREAMS)
        events = [read(f"kraken-{number}", texts) for number, texts in enumerate(heard)]
        truth = {
            (symbol, change.order_id, change.action, change.time_us, encode(change.price), encode(change.size))
            for _, symbol in STREAMS
            for change in venue.orders.changes(symbol)
        }
    changes = [[one for one in made if one["action"] != "snapshot"] for made in events]
    resting = [[one for one in made if one["action"] == "snapshot"] for made in events]
    for made in changes:
        found = [(one["symbol"], one["order_id"], one["action"], one["event_time"], one["price"], one["size"]) for one in made]
        assert set(found) == truth
        assert (len(found) > len(truth)) == (levels == SPOKEN.orders_depth)
    rows = {tuple(one[name] for name in IDENTITY) for made in events for one in made}
    assert len(rows) == len(truth) + sum(map(len, resting))
    assert [len(made) for made in resting] == [4 * levels] * 2
