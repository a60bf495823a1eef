"""A venue of several routes, and of contracts whose size is said over REST alone, through a running producer."""

from pathlib import Path

from dialects.contract import Frame
from dialects.memory import Memory
from dialects.okx.dialect import Okx
from simulator.server import Simulator, SimulatorSettings
from tests.producers.harness import Running
from topology import registry as registries
from topology import topics
from topology.settings import Kafka, Registry


async def test_each_route_is_carried_and_contracts_are_known_where_they_trade(kafka: Kafka, registry: Registry, tmp_path: Path) -> None:
    """Every stream is confirmed, on a connection of its route; trades of contracts say what they moved once the reply is there."""
    spoken = Okx()
    wanted = topics.all_topics(("okx",))
    topics.create(kafka, wanted)
    topics.register(registries.Registry(registry), wanted)
    async with Simulator(SimulatorSettings(seed=5, venues=("okx",), levels=200, bases=("BTC",))) as simulator:
        symbols = ("BTC-USDT", "BTC-USDT-SWAP")
        async with Running(simulator, "okx", kafka, registry, tmp_path, symbols=symbols) as running:
            routes = [{spoken.channels[stream.channel].route for stream in one.streams} for one in running.connections]
            assert sorted(map(sorted, routes)) == [["business"], ["public"]]
            (business,) = [one for one in running.connections if one.streams[0].channel in {"trade", "block_trade"}]
            await running.until(lambda: any(one["kind"] == "reply" for one in running.published.frames[business.id]))
            await simulator.step(400)
            await running.drained()
            memory, moved = Memory(), set()
            for one in running.published.frames[business.id]:
                if one["kind"] == "notice":
                    continue
                frame = Frame("okx", "simulated", business.id, one["connection_sequence"], 1, one["kind"], one["request"], one["payload"])
                for made in spoken.read(frame, memory):
                    if made.event == "trade" and made.fields["symbol"] == "BTC-USDT-SWAP":
                        moved.add(made.fields["size_base"] is not None)
            assert moved == {True}
            assert running.published.unbroken()
