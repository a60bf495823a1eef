"""Where faults wait for the next messages or requests they match, and the log of what they did.

The same market gives the same faults. Each message meets at most one fault, the oldest that matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from simulator.faults import AT_ONCE_KINDS, KINDS, REQUEST_KINDS, Fault, Injection
from simulator.wire import Connection, Message

_CHECKSUM = re.compile(r'"checksum":(-?\d+)')


class Delivery(NamedTuple):
    """One message to some connections, perhaps bent."""

    connections: list[Connection]
    message: Message
    shift_us: int = 0
    edit: Callable[[str], str] | None = None


def cut(text: str) -> str:
    """Return the first half: JSON that never ends."""
    return text[: len(text) // 2]


def spoil_checksum(text: str) -> str:
    """Return the same message with another checksum."""
    return _CHECKSUM.sub(lambda found: f'"checksum":{int(found[1]) ^ 1}', text, count=1)


class FaultDesk:
    """The armed faults and the log."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed: dict[str, list[Fault]] = {}
        self._numbers = 0
        self._lines: dict[tuple[int, str | None, str | None], Injection] = {}
        self.log: list[Injection] = []

    def arm(self, fault: Fault) -> Fault:
        """Give a fault its number and let it wait for what it matches.

        Raises:
            ValueError: no such kind.
        """
        if fault.kind not in KINDS:
            raise ValueError(f"fault {fault.kind!r} is not known; there are {', '.join(sorted(KINDS))}")
        self._numbers += 1
        fault.number = self._numbers
        if fault.kind in REQUEST_KINDS and fault.seconds is not None:
            fault.until = self._clock() + fault.seconds
        if fault.kind not in AT_ONCE_KINDS:
            self._armed.setdefault(fault.venue, []).append(fault)
        return fault

    def clear(self, number: int | None = None) -> int:
        """Disarm one fault, or all; returns how many there were."""
        before = sum(map(len, self._armed.values()))
        for venue, faults in self._armed.items():
            self._armed[venue] = [fault for fault in faults if number is not None and fault.number != number]
        return before - sum(map(len, self._armed.values()))

    def armed(self) -> list[Fault]:
        """Every fault that still waits."""
        return [fault for faults in self._armed.values() for fault in faults]

    def waits(self, venue: str) -> bool:
        """Whether any fault is armed for a venue."""
        return bool(self._armed.get(venue))

    def take(self, venue: str, kind: str, symbol: str | None, channel: str, time_us: int) -> Fault | None:
        """Spend one hit of a fault that concerns a request rather than a message."""
        for fault in self._armed.get(venue, []):
            over = fault.until is not None and self._clock() >= fault.until
            if fault.kind == kind and not over and fault.concerns(symbol, channel):
                self._spend(fault, Injection(fault.number, kind, venue, symbol, channel, None, None, 1, time_us))
                return fault
        return None

    def plan(
        self,
        venue: str,
        message: Message,
        connections: list[Connection],
        stranger: Callable[[Message], Message],
    ) -> list[Delivery]:
        """Return what to send instead of one message; `stranger` makes a message of a type no client knows."""
        for fault in list(self._armed.get(venue, [])):
            hit = [each for each in connections if fault.connection in (None, each.number)]
            if hit and fault.hits_message(message) and not self._over(fault, message):
                spared = [each for each in connections if each not in hit]
                plain = [Delivery(spared, message)] if spared else []
                return plain + self._bend(fault, message, hit, stranger)
        return [Delivery(connections, message)]

    def release(self, venue: str) -> list[Delivery]:
        """Messages held back to be reordered, when nothing will follow them."""
        released = []
        for fault in self._armed.get(venue, []):
            if fault.held is not None:
                message, connections = fault.held
                fault.held = None
                released.append(Delivery(connections, message))
        return released

    def write(self, injection: Injection) -> None:
        """Add a line to the log; ids that continue the same fault's last line lengthen that line."""
        key = (injection.fault, injection.symbol, injection.channel)
        line = self._lines.get(key)
        if line is not None and line.last is not None and injection.first == line.last + 1:
            line.last = injection.last
            line.messages += injection.messages
            return
        self._lines[key] = injection
        self.log.append(injection)

    def _over(self, fault: Fault, message: Message) -> bool:
        """Silence ends by market time, counted from the first message it swallows."""
        if fault.kind != "silent" or fault.seconds is None:
            return False
        if fault.until is None:
            fault.until = message.time_us + fault.seconds * 1_000_000
        if message.time_us < fault.until:
            return False
        self._armed[fault.venue].remove(fault)
        return True

    def _spend(self, fault: Fault, injection: Injection) -> None:
        fault.hits += 1
        self.write(injection)
        if fault.spent:
            self._armed[fault.venue].remove(fault)

    def _bend(self, fault: Fault, message: Message, hit: list[Connection], stranger: Callable[[Message], Message]) -> list[Delivery]:
        numbers = [connection.number for connection in hit]
        injection = Injection(
            fault.number,
            fault.kind,
            fault.venue,
            message.symbol,
            message.channel,
            message.first,
            message.last,
            1,
            message.time_us,
            numbers,
        )
        bent: list[Delivery]
        match fault.kind:
            case "drop" | "silent":
                bent = []
            case "duplicate":
                bent = [Delivery(hit, message), Delivery(hit, message)]
            case "reorder":
                if fault.held is None:
                    fault.held = (message, hit)
                    return []
                held, fault.held = fault.held, None
                injection.first, injection.messages = held[0].first, 2
                bent = [Delivery(hit, message), Delivery(held[1], held[0])]
            case "bad_checksum":
                bent = [Delivery(hit, message, edit=spoil_checksum)]
            case "malformed":
                bent = [Delivery(hit, message, edit=cut)]
            case "unknown":
                bent = [Delivery(hit, stranger(message)), Delivery(hit, message)]
            case "clock_skew":
                shift_us = int((fault.seconds or 0.0) * 1_000_000)
                injection.detail["shift_us"] = shift_us
                bent = [Delivery(hit, message, shift_us)]
            case _:
                if message.giant is None:
                    raise ValueError(f"{message.channel} has no giant form")
                injection.detail["levels"] = fault.levels
                giant = Message(
                    message.symbol,
                    message.channel,
                    message.first,
                    message.last,
                    message.time_us,
                    message.giant(fault.levels),
                    message.snapshot,
                    message.checked,
                )
                bent = [Delivery(hit, giant)]
        self._spend(fault, injection)
        return bent
