"""Microseconds of CPU per trade from the messages of a partition to updated candles, by size of block.

Run: python -m bench.build_candles_core [trades]. The best of several passes is told: other work on the machine only adds.
"""

import random
import sys
import time

from processors.build_candles.builder import Builder
from processors.build_candles.settings import Settings
from schemas import decimals
from schemas.block_reader import Block
from schemas.catalogue import Schema, event
from schemas.codec import Codec

START = 1_760_000_000_000_000
RATE = 5_000
"""Trades a second of event time."""
SPEED = 250_000
"""Trades a second of the clock: a backlog being read."""


def tape(count: int, symbols: int) -> list[bytes]:
    """Return messages of trades of some symbols, in order, 5,000 a second of event time."""
    codec = Codec(event("trade"), 1)
    source = random.Random(7)
    sequences = dict.fromkeys((f"S{number}USDT" for number in range(symbols)), 1_000_000)
    names = list(sequences)
    made = []
    for number in range(count):
        symbol = source.choice(names)
        sequences[symbol] += 1
        at = START + number * 1_000_000 // RATE
        made.append(
            codec.encode(
                event("trade").defaults
                | {
                    "venue": "binance", "symbol": symbol, "origin": "live", "connection_id": "binance-1760000000-5f3a9c21",
                    "connection_sequence": number + 1, "received_at": at + 40_000, "frame_index": 0, "frames_lost": 0, "event_time": at,
                    "trade_id": str(sequences[symbol]), "sequence": sequences[symbol],
                    "price": decimals.encode(f"{source.randrange(40_000, 60_000)}.{source.randrange(100):02}"),
                    "size": decimals.encode(f"0.{source.randrange(1, 99_999):05}"), "side": source.choice(("buy", "sell")),
                    "replayed": False,
                }
            )
        )  # fmt: skip
    return made


def measure(messages: list[bytes], size: int, passes: int, settings: Settings) -> tuple[float, float]:
    """Return microseconds of CPU and of wall clock per trade: the sum over the blocks of each block's best pass."""
    schema = event("trade").schema

    def writer_of(_: int) -> Schema:
        return schema

    blocks = [Block(messages[at : at + size], range(at, min(at + size, len(messages)))) for at in range(0, len(messages), size)]
    cpu, wall = [1e9] * len(blocks), [1e9] * len(blocks)
    for _ in range(passes):
        builder = Builder(writer_of, settings)
        for at, block in enumerate(blocks):
            now = START + block.offsets[-1] * 1_000_000 // SPEED
            began, ticked = time.perf_counter(), time.process_time()
            builder.apply(block, now)
            cpu[at] = min(cpu[at], time.process_time() - ticked)
            wall[at] = min(wall[at], time.perf_counter() - began)
    return sum(cpu) / len(messages) * 1e6, sum(wall) / len(messages) * 1e6


def main() -> None:
    """Print a line per size of block and number of symbols."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    print("symbols  block  columns: cpu   wall     rows: cpu   wall   (µs a trade)")
    for symbols in (1, 5, 40):
        messages = tape(count, symbols)
        for size in (10_000, 5_000, 2_000, 500, 100, 50, 20, 5):
            few = messages[: max(size, count // 8)]
            as_columns = measure(messages, size, 5, Settings(smallest=1)) if size >= 20 else (0.0, 0.0)
            as_rows = measure(few, size, 3, Settings(smallest=10**9)) if size <= 500 else (0.0, 0.0)
            print(f"{symbols:7} {size:6} {as_columns[0]:12.3f} {as_columns[1]:6.3f} {as_rows[0]:13.3f} {as_rows[1]:6.3f}")


if __name__ == "__main__":
    main()
