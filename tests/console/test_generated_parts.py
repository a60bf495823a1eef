"""What README.md and the compose files say of stages and venues is made from the code, and is what would be made now."""

from pathlib import Path

import pytest

from console import generated
from console.compose import services, volumes
from console.generated import MADE_BY, PARTS, ROOT, renewed
from console.tables import venue_table
from dialects.catalogue import all_dialects
from topology.flow import Stage

BEGIN, END = f"# list: {MADE_BY}", "# /list"


@pytest.mark.parametrize("name", PARTS)
def test_what_is_committed_is_fresh(name: str) -> None:
    """`make generate` would change nothing."""
    text = (ROOT / name).read_text()
    assert renewed(text, PARTS[name]) == text


def test_what_is_stale_is_written_anew_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose part is old is written and told; a second run says and writes nothing."""
    for name, parts in PARTS.items():
        (tmp_path / name).write_text("".join(f"# {part}: {MADE_BY}\nold\n# /{part}\n" for part in parts))
    monkeypatch.setattr(generated, "ROOT", tmp_path)
    generated.main()
    assert capsys.readouterr().out.splitlines() == [f"{name}: {', '.join(parts)} written anew" for name, parts in PARTS.items()]
    assert not any("old\n" in (tmp_path / name).read_text() for name in PARTS)
    generated.main()
    assert capsys.readouterr().out == ""


def test_only_what_is_between_the_markers_is_written_anew() -> None:
    """The text around a part stays, other parts too; a second time changes nothing."""
    text = f"before\n  {BEGIN}\nold\n  {END}\nbetween\n# other: {MADE_BY}\nkept\n# /other\nafter\n"
    new = renewed(text, {"list": lambda: "one\ntwo\n"})
    assert new == text.replace("old\n", "one\ntwo\n")
    assert renewed(new, {"list": lambda: "one\ntwo\n"}) == new


@pytest.mark.parametrize("text", ["nothing\n", f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n" * 2])
def test_a_file_without_markers_is_refused(text: str) -> None:
    """Nothing is written where nobody said where, or where two places were named."""
    with pytest.raises(ValueError, match="marker `list: made by `make generate``"):
        renewed(text, {"list": str})


def test_a_stage_is_a_service_for_each_venue_or_one() -> None:
    """A stage per venue has a service and a volume for each; a server's namesake has its room in its name; what cannot run has none."""
    feed = Stage("producers", (), ("frame",), per_venue=True, package="producers")
    store = Stage("clickhouse", ("trade",), (), package="sinks.clickhouse")
    nothing = Stage("nothing", (), (), package="schemas")
    text = services([feed, store, nothing], ["kraken", "two_words"])
    assert [line.strip(" :") for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")] == [
        "producers-kraken",
        "producers-two_words",
        "clickhouse-sink",
    ]
    assert "command: [run, producers, two_words]\n" in text
    assert "${PRODUCERS_TWO_WORDS_ROLE_ID:-}" in text
    assert volumes([feed, store, nothing], ["kraken", "two_words"]) == "  producers-kraken:\n  producers-two_words:\n"


def test_every_venue_is_a_row() -> None:
    """Each dialect stands in the table with its channels, events and symbols; what must be named, or needs a key, apart."""
    rows = [line.split(" | ") for line in venue_table(all_dialects()).splitlines()[2:]]
    assert [row[0].strip("| ") for row in rows] == list(all_dialects())
    for row, spoken in zip(rows, all_dialects().values(), strict=True):
        by_default = [name for name, channel in spoken.channels.items() if channel.by_default and not channel.private]
        assert row[1] == ", ".join(by_default)
        assert all(channel in " ".join(row[2:4]) for channel in spoken.channels if channel not in by_default)
        assert all(symbol in row[-1] for symbol in spoken.default_symbols)
