"""Frames of a hostile venue through the normaliser: refused or read, never a fault of ours, and what is remembered is kept."""

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import Block, NormalisedEvent, Normaliser, RefusedFrame
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.errors import InvalidDatum
from tests.examples import examples
from tests.pipeline.hostile import Frames, Hostile

NOW = 1_790_000_000_000_000
DIALECTS = all_dialects()
KINDS = (*["message"] * 8, "reply", "notice")


def requests(venue: str) -> list[str]:
    """Return requests whose replies the venue's dialect reads, and one nobody makes."""
    spoken = DIALECTS[venue]
    asked = [spoken.trades_request(spoken.default_symbols[0], 1, 1), spoken.listing_request()]
    return [*(one.text for one in asked if one is not None), "GET /nobody/asked"]


def said(made: Iterable[Any]) -> tuple[list[tuple[str, bytes]], list[int]]:
    """Return events as they are written, and the offsets of the frames refused; a fault of ours is an AssertionError."""
    events: list[tuple[str, bytes]] = []
    refused: list[int] = []
    for one in made:
        if isinstance(one, RefusedFrame):
            assert one.fault is None, one.reason
            refused.append(one.offset)
        elif isinstance(one, Block):
            for offset, part in one.parts():  # as the stage does where the whole has no meaning
                try:
                    columns = part.columns()
                except InvalidDatum:
                    refused.append(offset)
                else:
                    events += [
                        (part.shape.event, value) for value in Codec(event(part.shape.event), 1).encode_block(columns, len(part.rows))
                    ]
        else:
            assert isinstance(one, NormalisedEvent)
            events.append((one.name, Codec(event(one.name), 1).encode(one.record)))
    return sorted(events), sorted(set(refused))


@pytest.mark.parametrize("venue", DIALECTS)
@given(seed=st.integers(0, 2**32))
@examples(24)
def test_frames_of_a_hostile_venue(venue: str, seed: int) -> None:
    """By columns and one by one, over changes of owner, the same are refused and the same made; what nobody can read is refused."""
    chance = random.Random(seed)
    maker = Frames(venue, [other for other in DIALECTS if other != venue], chance)
    frames: list[Frame] = []
    sure: list[int] = []
    for number in range(60):
        one: Hostile = maker.any()
        kind = chance.choice(KINDS)
        request = chance.choice(requests(venue)) if kind == "reply" else None
        frames.append(Frame(venue, "live", "c-1", number + 1, NOW, kind, request, one.data or b""))
        if one.refused and kind == "message":
            sure.append(number)
    singly, entries = Normaliser(DIALECTS), dict[str, bytes]()
    made: list[Any] = []
    for number, frame in enumerate(frames):
        made += singly.apply([(number, frame)])
        if chance.random() < 0.1:
            entries = {name: data for name, data in {**entries, **singly.dump()}.items() if data is not None}
            singly = Normaliser(DIALECTS, entries)
    columns: Sequence[list[Any]] = [list(column) for column in zip(*frames, strict=True)]
    together = said(Normaliser(DIALECTS).apply_block(range(len(frames)), columns))
    assert said(made) == together
    assert set(sure) <= set(together[1])
