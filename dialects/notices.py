"""What a producer says of its own connections: frames of kind `notice`, in order with the frames around them.

Gap detection reads them: a hole after `closed` … `connected` is ours to explain by the reconnect; `silent` is a gap in itself.
"""

from typing import Annotated, Final, Literal, TypedDict, cast

import msgspec
import orjson

from schemas.errors import InvalidDatum

LARGEST: Final = 1 << 62
"""Of a count, and of a time in microseconds: whoever keeps one in a state, or adds to it, stays within 64 bits."""
PUBLISHED: Final = b'{"notice":"published"'
"""How that notice begins as `encode` writes it: whoever looks for others passes it over without reading it."""
Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]

Kind = Literal["connected", "confirmed", "refused", "silent", "resumed", "closed", "dropped", "published"]


class Notice(TypedDict):
    """One remark on a connection.

    connected: the socket is open; `previous` names the connection it replaces, if any; `since`: no connection carried some of
    its streams since then. confirmed: the venue acknowledged subscriptions; `since` as above, for each of its streams.
    refused: it refused some (`reason` in its words).
    silent: a stream said nothing for longer than its limit (`since`: its last word, if it ever spoke). resumed: such a stream speaks
    again, on whichever connection: `since` as the silence's gap has it, `detected_at` when it was told (both microseconds),
    `previous` the connection that told it; with a `reason` it will not speak again, and the silence is over all the same.
    closed: the connection ended; nothing follows on it. dropped: frames given up at the spill bound (`count`).
    published: the producer publishes the events of this connection's frames by itself, and all of those up to the frame `count` are
    delivered, but for the frames `left` of those behind the frame `after`, of which the notice before it spoke (None: it does not say);
    those it leaves to whoever reads frames; with a `reason` it publishes no more of them.
    """

    notice: Kind
    streams: list[tuple[str, str]]
    reason: str
    previous: str | None
    since: int | None
    count: int
    detected_at: int | None
    left: list[int]
    after: int | None


def encode(
    kind: Kind,
    *,
    streams: list[tuple[str, str]] | None = None,
    reason: str = "",
    previous: str | None = None,
    since: int | None = None,
    count: int = 0,
    detected_at: int | None = None,
    left: list[int] | None = None,
    after: int | None = None,
) -> bytes:
    """Return a notice as the payload of a frame. `streams` are (channel, symbol); `since` is in microseconds since 1970 UTC."""
    return orjson.dumps(
        Notice(
            notice=kind,
            streams=streams or [],
            reason=reason,
            previous=previous,
            since=since,
            count=count,
            detected_at=detected_at,
            left=left or [],
            after=after,
        )
    )


class _Written(msgspec.Struct):
    """A notice as it is written: of these types, or it is none. What is said in one is kept in states, which must be read again."""

    notice: str
    streams: list[tuple[str, str]]
    reason: str
    previous: str | None
    since: Number | None
    count: Number
    detected_at: Number | None = None
    left: list[Number] = []
    after: Number | None = None


_DECODER = msgspec.json.Decoder(_Written)


def decode(payload: bytes) -> Notice:
    """Return a notice from a frame's payload; InvalidDatum where it is none. A kind that is not known yet is one that says nothing."""
    try:
        return cast("Notice", msgspec.structs.asdict(_DECODER.decode(payload)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDatum(f"not a notice: {error}") from error
