"""Frame events of one connection: its id, its counter, and their bytes on the wire."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from dialects import notices
from dialects.contract import Frame, Origin
from producers.direct import Direct, DirectConnection
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.encoder import zigzag
from schemas.events import Frame as FrameRecord
from topology.errors import Fatal
from topology.metrics import dropped_frames, refused_streams

Kind = Literal["message", "reply", "notice"]
Put = Callable[[bytes, bytes, Frame | None], bool]
"""Takes a message's key and value, and the frame that it is where its events are published as soon as it is delivered; False where it had
to give the message up. Called in the event loop for each frame, in order, at once on receipt: it must neither wait nor raise."""

_framed = tuple.__new__
"""Makes a Frame of its fields, as its own constructor does at three times the price."""


def connection_id(venue: str, started_at: int, noise: str) -> str:
    """Return `binance-20261121T115300.123456-9f86d081`: venue, start (UTC), and a random part given by the caller."""
    return f"{venue}-{datetime.fromtimestamp(started_at / 1_000_000, UTC):%Y%m%dT%H%M%S.%f}-{noise}"


class Frames:
    """Write what one connection receives, each under the next number of its counter, from 1.

    The fields that never change on a connection are encoded once; a frame is then one join of seven parts, half the
    price of the general encoder (bench/websocket_clients.py). That both write the same bytes is checked at construction.
    """

    def __init__(
        self,
        codec: Codec,
        venue: str,
        origin: Origin,
        reply_origin: Origin,
        connection: str,
        put: Put,
        direct: Direct | None = None,
    ) -> None:
        """Put the frames of a new connection. `direct`: what publishes their events as well; None: normalise makes all of them.

        That follows it from the notice `connected` on, which is its first frame: one that never opens is nobody's to follow.
        """
        self.connection_id = connection
        self.count = 0
        """The number of the last frame."""
        self.dropped = 0
        """Frames given up and not yet said to be."""
        self._venue = venue
        self._codec = codec
        self._put = put
        self.key = event("frame").topic.key_of({"venue": venue, "connection_id": connection})
        """The key of its messages."""
        self._origin = origin
        self._reply_origin = reply_origin
        self._head, self._tail = self._learn(origin, "message")
        self._notice_head, self._notice_tail = self._learn(origin, "notice")
        self._over = self._done = False
        """Whether `closed` was said; and whether it is published: with direct events that follows what is said of them."""
        self._publishes = direct
        self._direct: DirectConnection | None = None

    def message(self, payload: bytes, received_at: int) -> None:
        """Publish a pushed frame, verbatim; `received_at` in microseconds since 1970 UTC."""
        if self.dropped:
            self._say_dropped(received_at)
        self.count = count = self.count + 1
        value = b"".join((self._head, zigzag(count), zigzag(received_at), self._tail, zigzag(len(payload)), payload))
        frame = None
        if self._direct is not None:
            frame = _framed(Frame, (self._venue, self._origin, self.connection_id, count, received_at, "message", None, payload))
        if not self._put(self.key, value, frame):
            self._drop()

    def reply(self, payload: bytes, request: str, received_at: int) -> None:
        """Publish the answer to a request; nothing where the connection has ended meanwhile."""
        if self._over:
            return
        self.count += 1
        record = self._record(self._reply_origin, "reply", received_at, payload)
        record["request"] = request
        frame = self._frame(self._reply_origin, self.count, received_at, "reply", request, payload)
        if not self._put(self.key, self._codec.encode(record), frame):
            self._drop()

    def notice(
        self,
        kind: notices.Kind,
        received_at: int,
        *,
        streams: list[tuple[str, str]] | None = None,
        reason: str = "",
        previous: str | None = None,
        since: int | None = None,
        count: int = 0,
        detected_at: int | None = None,
    ) -> None:
        """Publish a remark on the connection, under the next number; `closed` is the last of all.

        With direct events `closed` comes once all before it are, for a moment at most: so none of them is made a second time.
        """
        if self._over:
            return
        self._over = kind == "closed"
        if kind == "refused":
            for channel, symbol in streams or [("", "")]:
                refused_streams.labels(self._venue, channel, symbol).inc()
        if kind == "connected" and self._publishes is not None:
            self._direct = self._publishes.follow(self)
        payload = notices.encode(kind, streams=streams, reason=reason, previous=previous, since=since, count=count, detected_at=detected_at)
        if kind == "closed" and self._direct is not None:
            self._direct.close(lambda: self._last(payload, received_at))
        else:
            self._put_or_drop(payload, received_at)
        if kind == "connected" and self._direct is not None:
            self._direct.begin(received_at)

    def published(self, received_at: int, after: int, count: int, left: list[int], reason: str) -> bool:
        """Publish how far the events of its frames are published already; see dialects/notices.py. False where it was given up."""
        payload = notices.encode("published", reason=reason, count=count, left=left, after=after)
        return not self._done and self._put_notice(payload, received_at)

    def _last(self, payload: bytes, received_at: int) -> None:
        self._done = True
        self._put_or_drop(payload, received_at)

    def _put_or_drop(self, payload: bytes, received_at: int) -> None:
        if not self._put_notice(payload, received_at):
            self.count += 1
            self._drop()

    def _say_dropped(self, received_at: int) -> None:
        """Tell how many were given up, once there is room to; the attempt costs no number."""
        payload = notices.encode("dropped", reason="no room for it while the broker was away", count=self.dropped)
        if self._put_notice(payload, received_at):
            self.dropped = 0

    def _put_notice(self, payload: bytes, received_at: int) -> bool:
        count = self.count + 1
        parts = (self._notice_head, zigzag(count), zigzag(received_at), self._notice_tail, zigzag(len(payload)), payload)
        if not self._put(self.key, b"".join(parts), self._frame(self._origin, count, received_at, "notice", None, payload)):
            return False
        self.count += 1
        return True

    def _drop(self) -> None:
        self.dropped += 1
        dropped_frames.labels(self._venue).inc()

    def _frame(self, origin: Origin, count: int, received_at: int, kind: Kind, request: str | None, payload: bytes) -> Frame | None:
        if self._direct is None:
            return None
        return Frame(self._venue, origin, self.connection_id, count, received_at, kind, request, payload)

    def _record(self, origin: Origin, kind: Kind, received_at: int, payload: bytes) -> FrameRecord:
        return {
            "venue": self._venue,
            "origin": origin,
            "connection_id": self.connection_id,
            "connection_sequence": self.count,
            "received_at": received_at,
            "kind": kind,
            "request": None,
            "payload": payload,
        }

    def _learn(self, origin: Origin, kind: Kind) -> tuple[bytes, bytes]:
        """Return the bytes before the counter, and those between received_at and the payload."""
        received_at, payload = 1_700_000_000_000_000, b"payload"
        value = self._codec.encode(self._record(origin, kind, received_at, payload))
        numbers, end = zigzag(0) + zigzag(received_at), zigzag(len(payload)) + payload
        head, found, rest = value.partition(numbers)
        if not found or not rest.endswith(end):
            raise Fatal("the frame's schema is laid out otherwise than producers/frames.py writes it")
        return head, rest.removesuffix(end)
