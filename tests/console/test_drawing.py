"""The picture of the flow is drawn from the declarations."""

from console.drawing import mermaid
from topology.flow import Stage


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
