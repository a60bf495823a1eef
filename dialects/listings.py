"""Lists of instruments, which are independent of each other: one that cannot be read costs no other. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from dialects.answers import MOST_LETTERS
from dialects.contract import DecodedEvent, PartlyInvalid
from schemas.errors import InvalidDatum

MOST_NAMED = 5
"""Instruments whose reasons are told of one list; of more, only how many there are."""


NAMES = ("symbol", "instId", "product_id", "id", "name")
"""What venues call the name of an instrument in their lists; the first of them that one has is its own."""
NAMELESS = "an instrument without a symbol"
_decode_named = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_name = msgspec.json.Decoder(str).decode


def instruments_of(
    venue: str, listed: Iterable[msgspec.Raw], read: Callable[[msgspec.Raw], dict[str, Any]], *, whole: bool = False
) -> list[DecodedEvent]:
    """Return an instrument event for each of a list: what `read` makes of it; PartlyInvalid where it raises of some, with the others.

    `whole`: the list is complete, which `is_full_listing` then says; one that lacks what cannot be read is not.
    """
    made: list[DecodedEvent] = []
    refused: list[str] = []
    for one in listed:
        try:
            made.append(DecodedEvent("instrument", read(one)))
        except (InvalidDatum, msgspec.MsgspecError, ValueError, RecursionError) as error:
            refused.append(f"{named(one)}: {error}")
    if whole and not refused:
        for event in made:
            event.fields["is_full_listing"] = True
    if refused:
        more = f"; and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
        raise PartlyInvalid(f"{venue}: {'; '.join(refused[:MOST_NAMED])}{more}", made)
    return made


def named(one: msgspec.Raw) -> str:
    """Return what a venue calls one of a list, for a reason that is told. Never raises on any bytes."""
    try:
        said = _decode_named(one)
        return next((_decode_name(said[name])[:MOST_LETTERS] for name in NAMES if name in said), "") or NAMELESS
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NAMELESS
