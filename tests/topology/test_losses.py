"""A loss of records is a gap event of the topic, at once unfillable."""

import pytest

from schemas.catalogue import event
from schemas.codec import Codec
from topology.losses import loss_gap, venue_of


def test_a_loss_to_retention_is_a_gap_with_its_range() -> None:
    """The gap names topic, partition, offsets, cause and the reader; nobody can fill it, and it says why."""
    gap = loss_gap("raw.binance", 2, 10, 60, "retention", "normalise", 123)
    assert gap["gap_id"] == "normalise|raw.binance|2|10|60|retention"
    assert (gap["venue"], gap["symbol"], gap["channel"], gap["cause"], gap["state"]) == ("binance", "", "topic", "retention", "unfillable")
    assert (gap["from_sequence"], gap["to_sequence"]) == (10, 59)
    assert (gap["detected_at"], gap["version"]) == (123, 123)
    assert "retention" in str(gap["repair"])


def test_after_a_reset_nobody_knows_how_much_there_was() -> None:
    """The gap of a topic made anew names the offset it begins at in its id, and no sequences."""
    gap = loss_gap("trades", 0, 7, 7, "topic_reset", "build_candles", 1)
    assert gap["gap_id"] == "build_candles|trades|0|7|7|topic_reset"
    assert (gap["venue"], gap["from_sequence"], gap["to_sequence"]) == ("", None, None)


def test_the_same_loss_told_again_is_the_same_gap() -> None:
    """Only the times differ; the later is the newer version."""
    first, again = (loss_gap("trades", 0, 7, 9, "retention", "x", time) for time in (1, 2))
    assert first["gap_id"] == again["gap_id"]
    assert again["version"] > first["version"]


@pytest.mark.parametrize("cause", ["retention", "topic_reset", "corrupt"])
def test_a_loss_fits_the_schema(cause: str) -> None:
    """The gap can be written, with any of its causes."""
    codec = Codec(event("gap"), 1)
    gap = loss_gap("raw.kraken", 0, 7, 9, cause, "x", 1_700_000_000_000_000)  # type: ignore[arg-type] # each of the two
    assert codec.encode(gap)


def test_only_raw_topics_are_of_a_venue() -> None:
    """`raw.<venue>` names one; the topics of events hold those of all."""
    assert [venue_of(name) for name in ("raw.binance", "trades", "rawtrades")] == ["binance", "", ""]
