"""What a hostile venue, or whoever may write to a topic, can send: frames and messages made from a seed, the same each time. Pure.

None of them speaks well-formed of a symbol that the simulated market has: what a venue says in its own form is what it says.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas import decimals
from schemas.catalogue import Event
from tests.dialects.recorded import excerpts, read_excerpt

SYMBOLS = 50
"""Symbols that nobody lists, of which well-formed hostile events speak."""
DEEP = (3, 200, 5_000, 100_000)
BASES = re.compile(r"BTC|ETH|SOL|LTC")
_NUMBER = re.compile(r'"-?\d+(?:\.\d+)?"|(?<=[:,\[])-?\d+(?:\.\d+)?(?=[,}\]])')
EXTREME_TEXTS = (
    *("null", '""', '"NaN"', '"Infinity"', "1e400", '"1E-30"', "-1", '"-0"', "0", '"0.' + "0" * 40 + '1"', '"' + "9" * 60 + '"'),
    *("9" * 5_001, str(2**63), str(-(2**63)), str(2**70), "253402300799999999", "1700000000000000000", '"9999-12-31T23:59:59.999999999Z"'),
    *(
        '"0000-00-00T00:00:00Z"',
        "true",
        "[]",
        "{}",
        "[[[[1]]]]",
        '"\\ud800"',
        '"\\u0000"',
        '"a|b"',
        '"' + "x" * 3_000 + '"',
        '"\\u0661"',
        '"0x10"',
    ),
)
"""In place of a number of a good frame."""
NUMBERS = (0, 1, -1, 5, 2**31 - 1, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63), 253402300799999999, -62135596800000000)
AMOUNTS = (0, 1, -1, 10**18, -(10**18), decimals.LARGEST, -decimals.LARGEST)
TEXTS = ("", "a|b", "\0", "x" * 300, "\u202e", "..", "live", "null")
GIANTS = (15_900_000, 15_999_900, 16_000_100, 16_777_216, 20_000_000)
"""Bytes around what clients (16,000,000) and the broker (16 MiB) take at most."""


class Hostile(NamedTuple):
    """One of them. `refused`: nobody can read it, so that it must become a dead letter; else it may become an event as well."""

    kind: str
    data: bytes | None
    refused: bool


class Frames:
    """Payloads of frames for a venue, from that venue's good ones and others'."""

    def __init__(self, venue: str, others: Sequence[str], chance: random.Random) -> None:
        self._chance = chance
        self._own = _samples(venue)
        self._others = [text for other in others for text in _samples(other)]

    def noise(self) -> Hostile:
        """Return bytes that are no JSON: the first is none that JSON begins with."""
        return Hostile("noise", b"\x01" + self._chance.randbytes(self._chance.randint(0, 200)), True)

    def truncated(self) -> Hostile:
        """Return a good frame that ends too soon."""
        text = self._named(self._chance.choice(self._own))
        return Hostile("truncated", text[: self._chance.randint(1, len(text) - 1)].encode(), True)

    def crossed(self) -> Hostile:
        """Return a good frame of another venue."""
        return Hostile("crossed", self._named(self._chance.choice(self._others)).encode(), False)

    def deep(self) -> Hostile:
        """Return JSON within JSON, open or closed."""
        depth = self._chance.choices(DEEP, (60, 30, 9, 1))[0]
        opening, closing = self._chance.choice((("[", "]"), ('{"a":', "}")))
        closed = self._chance.random() < 0.5
        return Hostile("deep", (opening * depth + ("1" + closing * depth if closed else "")).encode(), not closed)

    def bent(self) -> Hostile:
        """Return a good frame with some of its numbers in extreme forms, or a word too many or too few."""
        text = self._named(self._chance.choice(self._own))
        share = self._chance.random()
        text = _NUMBER.sub(lambda found: self._chance.choice(EXTREME_TEXTS) if self._chance.random() < share else found[0], text)
        if self._chance.random() < 0.3 and len(keys := re.findall(r'"(\w+)":', text)) > 1:
            text = text.replace(f'"{self._chance.choice(keys)}":', f'"{self._chance.choice(keys)}":', 1)
        return Hostile("bent", text.encode("utf-8", "surrogatepass"), False)

    def giant(self, size: int) -> Hostile:
        """Return a frame of a size that is no JSON."""
        return Hostile("giant", b"[" + b"1," * (size // 2), True)

    def unreadable(self) -> Hostile:
        """Return one of those that say nothing in any venue's form."""
        return self._chance.choice((self.noise, self.truncated))()

    def any(self) -> Hostile:
        """Return one of all but giants."""
        return self._chance.choice((self.noise, self.truncated, self.crossed, self.deep, self.bent, self.bent))()

    def _named(self, text: str) -> str:
        return BASES.sub(lambda found: f"{found[0][0]}Q{self._chance.randrange(SYMBOLS)}", text)


def _samples(venue: str) -> list[str]:
    frames = [one.frame for path in excerpts(venue) for one in read_excerpt(path)]
    texts = [frame.payload.decode(errors="ignore") for frame in frames if frame.kind != "notice"]
    return [text for text in texts if len(text) > 1 and text[0] in "{["]


class Messages:
    """Values of messages for a topic. `encoders` write an event's record as its stage writes it, by topic."""

    def __init__(
        self, events: Mapping[str, Event], encoders: Mapping[str, Callable[[dict[str, Any]], bytes]], chance: random.Random
    ) -> None:
        self._chance = chance
        self._events = events
        self._encoders = encoders
        self._topics = list(events)
        self._number = 0

    def any(self, topic: str) -> Hostile:
        """Return one of all kinds."""
        return self._chance.choice((self.noise, self.torn, self.unknown, self.truncated, self.longer, self.crossed, self.extreme))(topic)

    def noise(self, topic: str) -> Hostile:
        """Return bytes of which the first is not that of our wire format, or none at all."""
        del topic
        data = self._chance.choice((None, b"", b"\x01" + self._chance.randbytes(self._chance.randint(0, 200))))
        return Hostile("noise", data, True)

    def torn(self, topic: str) -> Hostile:
        """Return noise behind the right schema id."""
        return Hostile("torn", self.good(topic)[:5] + self._chance.randbytes(self._chance.randint(0, 200)), False)

    def unknown(self, topic: str) -> Hostile:
        """Return a good datum under a schema id that the registry does not know."""
        number = 2_000_000_000 + self._chance.randrange(3)
        return Hostile("unknown", b"\0" + number.to_bytes(4, "big") + self.good(topic)[5:], True)

    def truncated(self, topic: str) -> Hostile:
        """Return a good datum that ends too soon."""
        value = self.good(topic)
        return Hostile("truncated", value[: self._chance.randint(1, len(value) - 1)], True)

    def longer(self, topic: str) -> Hostile:
        """Return a good datum with more behind it."""
        return Hostile("longer", self.good(topic) + self._chance.randbytes(self._chance.randint(1, 50)), True)

    def crossed(self, topic: str) -> Hostile:
        """Return a good datum of another event, under its own schema id."""
        event = self._events[topic]
        other = self._chance.choice([one for one in self._topics if self._events[one].name != event.name])
        return Hostile("crossed", self.good(other), True)

    def extreme(self, topic: str) -> Hostile:
        """Return a datum that the schema allows, of extreme numbers, times and texts."""
        if self._events[topic].name == "gap" and self._chance.random() < 0.99:
            return self.torn(topic)  # each asks a venue, which gives only so many answers a minute
        return Hostile("extreme", self.good(topic), False)

    def good(self, topic: str) -> bytes:
        """Return a datum of a topic's event, of extreme numbers, times and texts."""
        event = self._events[topic]
        record = {field["name"]: self._value(field["name"], field["type"]) for field in event.fields}
        if event.name == "frame":
            record["payload"] = self._chance.randbytes(20)
        return self._encoders[topic](record)

    def _value(self, name: str, kind: Any) -> Any:
        chance = self._chance
        if name == "venue":
            return chance.choice(("binance", "kraken", "bybit_spot", "nobody", ""))
        if name == "symbol":
            return f"HOSTILE{chance.randrange(SYMBOLS)}"
        if isinstance(kind, list):
            return self._value(name, chance.choice(kind))
        if isinstance(kind, str):
            kind = {"type": kind}
        match kind:
            case {"type": "null"}:
                return None
            case {"logicalType": "decimal"}:
                return decimals.to_bytes(chance.choice(AMOUNTS))
            case {"type": "enum", "symbols": symbols}:
                return chance.choice(symbols)
            case {"type": "array", "items": items}:
                return [self._value("", items) for _ in range(chance.randrange(4))]
            case {"type": "string"}:
                self._number += 1
                return chance.choice((*TEXTS, f"hostile-{self._number}"))
            case {"type": "bytes"}:
                return chance.randbytes(chance.randrange(50))
            case {"type": "boolean"}:
                return chance.random() < 0.5
            case {"type": "int"}:
                return chance.choice([number for number in NUMBERS if -(2**31) <= number < 2**31])
            case {"type": "long"}:
                return chance.choice((*NUMBERS, chance.randrange(1 << 40)))
        raise AssertionError(f"no hostile value for {kind}")


def answers(chance: random.Random) -> Iterator[str]:
    """Yield answers to requests that were never made, in the forms of all venues."""
    while True:
        number = chance.choice((0, 1, 2**31, -1, None, "x"))
        yield chance.choice((
            json.dumps({"op": "subscribe", "success": False, "ret_msg": "no", "req_id": "hostile", "conn_id": number}),
            json.dumps({"op": "pong", "args": [number]}),
            json.dumps({"method": "subscribe", "success": False, "error": "no", "req_id": 2**40}),
            json.dumps({"result": number, "id": 2**40}),
            json.dumps({"error": {"code": number, "msg": "no"}, "id": 2**40}),
        ))  # fmt: skip
