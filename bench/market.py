"""Frames of Binance's streams in the shares a real socket has: continuous ids, so that no processor sees a gap."""

import itertools
from collections.abc import Callable, Iterator

from schemas.codec import Codec

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
SHARES = ("trade", "quote", "quote", "trade", "quote", "delta", "trade", "quote", "delta", "quote")
"""Three trades, five quotes, two book deltas of ten: what four liquid pairs send."""
LEVELS = 500
TRADE = b'{"stream":"%b@trade","data":{"e":"trade","E":%d,"s":"%b","t":%d,"p":"%d.%02d000000","q":"0.%05d000","T":%d,"m":%b,"M":true}}'
QUOTE = b'{"stream":"%b@bookTicker","data":{"u":%d,"s":"%b","b":"%d.%02d000000","B":"1.%05d000","a":"%d.%02d500000","A":"2.%05d000"}}'
DELTA = b'{"stream":"%b@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"%b","U":%d,"u":%d,"b":[%b],"a":[["%d.20","%d.5"]]}}'


def frames(codec: Codec, clock: Callable[[], int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of raw frames for ever, one connection per symbol, each stamped by `clock` (microseconds)."""
    connections = [f"binance-20261121T114200-{number:08x}" for number in range(len(SYMBOLS))]
    counts, update, trade = [0] * len(SYMBOLS), [10_000] * len(SYMBOLS), [4_567_000_000] * len(SYMBOLS)

    def framed(place: int, payload: bytes, request: str | None = None) -> tuple[bytes, bytes]:
        counts[place] += 1
        record = {
            "venue": "binance",
            "origin": "simulated",
            "connection_id": connections[place],
            "connection_sequence": counts[place],
            "received_at": clock(),
            "kind": "reply" if request else "message",
            "request": request,
            "payload": payload,
        }
        return f"binance|{connections[place]}".encode(), codec.encode(record)

    for place, name in enumerate(SYMBOLS):
        bids = b",".join(b'["%d.10","1.5"]' % (65_000 - level) for level in range(LEVELS))
        asks = b",".join(b'["%d.20","1.5"]' % (65_000 + level) for level in range(LEVELS))
        body = b'{"lastUpdateId":%d,"bids":[%b],"asks":[%b]}' % (update[place], bids, asks)
        yield framed(place, body, f"GET /api/v3/depth?symbol={name}&limit=5000")
    for number in itertools.count():
        place = number % len(SYMBOLS)
        symbol = SYMBOLS[place].encode()
        small = symbol.lower()
        kind = SHARES[number // len(SYMBOLS) % len(SHARES)]
        time = clock()
        price = (65_000 + number // 997 % 100, number % 100)
        if kind == "trade":
            trade[place] += 1
            payload = TRADE % (small, time, symbol, trade[place], *price, 1 + number % 5000, time, (b"true", b"false")[number % 2])
        elif kind == "quote":
            payload = QUOTE % (small, 10**9 + number, symbol, *price, number % 5000, *price, number % 7000)
        else:
            update[place] += 1
            levels = b",".join(b'["%d.10","%d.5"]' % (65_000 - level, number % 9) for level in range(number % 40, number % 40 + 5))
            payload = DELTA % (small, time, symbol, update[place], update[place], levels, 65_000 + number % 40, number % 9)
        yield framed(place, payload)
