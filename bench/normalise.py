"""Raw frame in from Kafka → delivered Avro event out: our stage and the same agent on stock Faust, on the same backlog."""

from collections.abc import Callable, Iterator

from bench.result import Result, result
from bench.stage_rate import Bench, fresh

FIGURES = ("normalise",)
FRAMES = 1_000_000
PEER_FRAMES = 40_000
CONNECTIONS = 4
START = 1_763_725_000_000_000


def payload(number: int) -> bytes:
    """Return what Binance says of a trade."""
    time = START + number * 37
    return (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%d.%02d000000","q":"0.%05d000","T":%d,"m":%s,"M":true}}'
        % (
            time,
            4_567_000_000 + number,
            65_000 + number // 997 % 100,
            number % 100,
            1 + number % 5000,
            time,
            (b"true", b"false")[number % 2],
        )
    )


def frames(bench: Bench, count: int, first: int = 0, connections: int = CONNECTIONS) -> Iterator[tuple[bytes, bytes]]:
    """Yield Binance trade frames of some connections as the producers publish them, from number `first` on."""
    codec = bench.codec("frame", "raw.binance")
    for number in range(first, first + count):
        time = START + number * 37
        connection = f"binance-20261121T114200-{number % connections:08x}"
        record = {
            "venue": "binance",
            "origin": "simulated",
            "connection_id": connection,
            "connection_sequence": number // connections + 1,
            "received_at": time + 15_000,
            "kind": "message",
            "request": None,
            "payload": payload(number),
        }
        yield f"binance|{connection}".encode(), codec.encode(record)


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure both, the peer on a shorter backlog of its own topic."""
    with fresh() as bench:
        bench.load("raw.binance", frames(bench, PEER_FRAMES))
        progress(f"stock Faust on {PEER_FRAMES:,} frames")
        peer = bench.rate("bench.stock_faust normalise", "stock", PEER_FRAMES)
    with fresh() as bench:
        bench.load("raw.binance", frames(bench, FRAMES))
        progress(f"Tidewire on {FRAMES:,} frames")
        ours = bench.rate("processors.normalise", "normalise", FRAMES, "tidewire_events_out_total")
    how = (
        f"a backlog of {FRAMES:,} Binance trade frames in 4 partitions ({PEER_FRAMES:,} for the peer), one process; frames over its CPU "
        f"seconds from first to last event, all threads; wall: {ours.wall:,.0f}/s, peer {peer.wall:,.0f}/s"
    )
    return [result("normalise", ours.core, "frames per core-second", how, "the same agent on stock Faust", peer.core)]
