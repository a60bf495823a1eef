"""The picture of the flow is drawn from the declarations, and the README's is the one drawn now."""

from pathlib import Path

import pytest

from console.drawing import BEGIN, END, drawn, mermaid
from topology.flow import Stage

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_is_fresh() -> None:
    """`make generate` would change nothing."""
    text = README.read_text()
    assert drawn(text) == text


def test_what_stages_read_and_write_is_drawn() -> None:
    """A line leads from each topic to its reader and from each writer to its topic; a source talks both ways with the outside."""
    lines = [
        line.strip()
        for line in mermaid(
            [
                Stage("feed", ("gap",), ("frame",), "exchanges", per_venue=True, package="producers"),
                Stage("read", ("frame",), ("trade", "dead_letter"), package="processors.read"),
                Stage("store", ("trade",), (), "database", package="sinks.store"),
            ]
        ).splitlines()
    ]
    assert lines[0] == "flowchart LR"
    assert {'read["processors.read"]', 'topic_frame(["raw.{venue}"])'} <= set(lines)
    assert {"topic_gap --> feed", "feed --> topic_frame", "topic_frame --> read", "read --> topic_trade"} <= set(lines)
    assert {'outside_feed(("exchanges"))', "outside_feed <--> feed", "store --> outside_store"} <= set(lines)
    assert "read -.-> topic_dead_letter" in lines
    assert "read --> topic_dead_letter" not in lines


def test_only_what_is_between_the_markers_is_drawn_anew() -> None:
    """The text around the markers stays; a second drawing changes nothing."""
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = drawn(text)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "old" not in new
    assert drawn(new) == new


@pytest.mark.parametrize("text", ["nothing", BEGIN, END, f"{END}{BEGIN}"])
def test_a_readme_without_markers_is_refused(text: str) -> None:
    """Nothing is drawn where nobody said where."""
    with pytest.raises(ValueError, match="markers"):
        drawn(text)
