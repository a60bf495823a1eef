"""What Hyperliquid says of itself, asked for over REST (`exchangeStatus`): `{"time":1790000000000,"specialStatuses":null}`.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits names the request; no page says what a
special status is. So null is taken for a venue that goes on, and whatever else is told as it is written, as a state that is not known.

`memory["status"]` holds the text last told, or a digest of a long one: the reply is told once, until it changes anywhere.
"""

from hashlib import blake2b

import msgspec

from dialects.contract import DecodedEvent
from dialects.hyperliquid.times import Millis, microseconds
from dialects.memory import Memory

STATUS = "exchangeStatus"
EVERY_SECONDS = 60
LONGEST_TITLE = 1000
"""Letters of a special status that are told."""


class _Status(msgspec.Struct, rename="camel"):
    time: Millis
    special_statuses: msgspec.Raw


_decode = msgspec.json.Decoder(_Status).decode


def read_status(payload: bytes, memory: Memory) -> list[DecodedEvent]:
    """Return an event where the venue's state has changed; msgspec's errors where it says none."""
    found = _decode(payload)
    text = bytes(found.special_statuses).decode()
    told = text if len(text) <= LONGEST_TITLE else blake2b(text.encode(), digest_size=16).hexdigest()
    if memory.get("status") == told:
        return []
    memory["status"] = told
    goes_on = text == "null"
    fields = {
        "symbol": "",
        "event_time": microseconds(found.time),
        "scope": "venue",
        "state": "online" if goes_on else "unknown",
        "title": None if goes_on else text[:LONGEST_TITLE],
    }
    memory.depends("status", fields)
    return [DecodedEvent("venue_status", fields)]
