"""Sample frames in tests/recordings, written for these tests, and real sessions in the folder that TIDEWIRE_RECORDINGS names.

A file is in the form of `tidewire record`: its first line says of which venue it is, from where and when; each further line is one
frame: received_at (microseconds), kind, request, payload (`payload_base64` where it is no text), and in samples `refused` (part of
the reason) where no event may be made of it.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cramjam
import pytest

from dialects.contract import Fields, Frame
from schemas.catalogue import event

EXCERPTS = Path(__file__).parents[1] / "recordings"
FULL = Path(os.environ.get("TIDEWIRE_RECORDINGS", ""))
needs_full = pytest.mark.skipif(Path() == FULL, reason="no real sessions are at hand: TIDEWIRE_RECORDINGS names their folder")


class Recorded(NamedTuple):
    """A frame and the reason for which it must be refused, if it must."""

    frame: Frame
    refused: str | None


def excerpts(venue: str) -> list[Path]:
    """Return the samples of a venue, by what their first line says."""
    return [path for path in sorted(EXCERPTS.glob("*.jsonl")) if venue_of(path) == venue]


def venue_of(path: Path) -> str:
    """Return the venue of a recording."""
    with path.open() as file:
        return str(json.loads(file.readline())["venue"])


def read_excerpt(path: Path) -> list[Recorded]:
    """Return the frames of a recording, on a connection named after it."""
    # Only a newline ends a line: splitlines() would also cut at U+2028, U+0085 and the like, which a payload may hold.
    first, *lines = path.read_bytes().decode().removesuffix("\n").split("\n")
    venue = str(json.loads(first)["venue"])
    return [_recorded(venue, path.stem, place, json.loads(line)) for place, line in enumerate(lines, 1)]


def _recorded(venue: str, connection_id: str, place: int, line: dict[str, Any]) -> Recorded:
    payload = line["payload"].encode() if "payload" in line else base64.b64decode(line["payload_base64"], validate=True)
    kind = line["kind"]
    origin = "rest" if kind == "reply" else "live"
    frame = Frame(venue, origin, connection_id, place, line["received_at"], kind, line["request"], payload)
    return Recorded(frame, line.get("refused"))


def full_cryptofeed(name: str) -> Iterator[tuple[int, str | None, str]]:
    """Yield what `cryptofeed_log` does of a recorded session in the full recordings."""
    return cryptofeed_log(bytes(cramjam.zstd.decompress((FULL / "cryptofeed" / name).read_bytes())).decode())


def cryptofeed_log(text: str) -> Iterator[tuple[int, str | None, str]]:
    """Yield (received_at, address, text) of a log whose lines are `seconds: JSON` or `address -> seconds: JSON`.

    The address is None for what came on the socket.
    """
    for line in text.splitlines():
        pushed = re.match(r"(\d+\.\d+): (.*)$", line)
        reply = re.match(r"(https?://\S+) -> (\d+\.\d+): (.*)$", line)
        if pushed:
            yield int(float(pushed[1]) * 1e6), None, pushed[2]
        elif reply:
            yield int(float(reply[2]) * 1e6), reply[1], reply[3]


def frame(venue: str, payload: bytes | str, request: str | None = None) -> Frame:
    """Return a frame with a payload; a reply where a request is given."""
    data = payload.encode() if isinstance(payload, str) else payload
    kind, origin = ("message", "live") if request is None else ("reply", "rest")
    return Frame(venue, origin, f"{venue}-1", 7, 1_700_000_000_000_000, kind, request, data)


def whole(name: str, fields: Fields) -> Fields:
    """Return an event's own fields with the rest of its record: a header of some frame, and the schema's defaults."""
    header = {"venue": "x", "origin": "live", "connection_id": "x-1", "connection_sequence": 1, "received_at": 1}
    return event(name).defaults | header | fields
