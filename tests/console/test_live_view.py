"""The live page fits the terminal it is in: nothing is wider than it, and what people copy from it is whole."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console
from rich.screen import Screen

from console.live_view import FOOTER, NONE, Page, clock, count, latency, lines
from local.readings import FaultReading, Reading, StageReading, VenueReading

SIZES = [(80, 24), (100, 30), (120, 30), (200, 60)]
ADDRESSES = [
    ("Kafka", "127.0.0.1:40621"),
    ("ClickHouse", "http://127.0.0.1:38123"),
    ("schema registry", "http://127.0.0.1:38081/apis/ccompat/v7"),
    ("simulator", "http://127.0.0.1:43210"),
    ("logs", "/home/somebody/.local/state/tidewire/logs"),
]
READERS = ("normalise", "build_candles", "detect_gaps", "rebuild_books", "clickhouse")
TABLES = ("book_deltas", "book_snapshots", "candles", "dead_letters", "frames", "gaps", "instruments", "quotes", "trades")
FAULT = FaultReading("normalise", "binance", "trade", 12, "KeyError: 'p' (dialects/binance/frames.py:88 in read)")


def reading(**changes: object) -> Reading:
    """Return what is known of a run with two venues and every stage."""
    stages = {
        name: StageReading(
            name, "ready", pid=1, read=123_456, written=123_456, read_rate=1234.5, written_rate=1234.5, lag=12, p50=0.0031, p99=1.25
        )
        for name in READERS
    }
    for venue in ("binance", "kraken"):
        stages[f"producers-{venue}"] = StageReading(f"producers-{venue}", "ready", pid=2, written=99_999)
    venues = {name: VenueReading(name, 2, 1_234_567, 543.2, 1, open_gaps=0) for name in ("binance", "kraken")}
    rows, rates = dict.fromkeys(TABLES, 12_345_678), dict.fromkeys(TABLES, 1_234.5)
    return replace(Reading(stages, venues, rows, rates, {"binance": 0}), **changes)  # type: ignore[arg-type]  # each test's own


def page(
    known: Reading,
    *,
    origin: str = "simulated",
    notes: Sequence[str] = (),
    unreachable: dict[str, str] | None = None,
    left_out: dict[str, str] | None = None,
) -> Page:
    """Return the page of a reading."""
    return Page(known, origin, 3723.0, ADDRESSES, list(notes), unreachable or {}, left_out or {})


def drawn(shown: Page, width: int, height: int) -> list[str]:
    """Return the page's lines as a terminal of that size shows them."""
    text = io.StringIO()
    console = Console(file=text, width=width, height=height, force_terminal=True, color_system="standard", legacy_windows=False)
    console.print(Screen(shown))
    return re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue()).rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_it_fits(width: int, height: int) -> None:
    """No line is wider than the terminal and there are no more lines than it has, however much has happened."""
    found = drawn(page(reading(), notes=[f"{number}: something happened " * 8 for number in range(40)]), width, height)
    assert len(found) <= height
    assert max(map(len, found)) <= width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_addresses_are_whole(width: int, height: int) -> None:
    """People copy them into another terminal: none is cut, wrapped or left out."""
    text = "\n".join(drawn(page(reading(), notes=["x"] * 40), width, height))
    for name, address in ADDRESSES:
        assert f"{name} {address}" in text


def test_a_long_address_is_folded_not_cut() -> None:
    """A state folder deep in a tree takes another line; it is all there, and so is everything after it."""
    logs = "/home/somebody/" + "deep/" * 20 + "logs"
    shown = replace(page(reading(), notes=["x"] * 40), addresses=[*ADDRESSES[:-1], ("logs", logs)])
    found = drawn(shown, 80, 24)
    assert f"logs{logs}" in "".join("".join(found).split())
    assert FOOTER in found[-1]
    assert len(found) <= 24


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_everything_that_runs_is_there(width: int, height: int) -> None:
    """Every venue, every stage with its lag and latencies, every table with its rows, and how to stop."""
    found = drawn(page(reading(), notes=["x"] * 40), width, height)
    text = "\n".join(found)
    for name in (*READERS, "binance", "kraken"):
        (line,) = [line for line in found if line.split()[:1] == [name]]
        assert "…" not in line
    assert all(table in text for table in TABLES)
    assert "rows in ClickHouse, repeats not yet merged included" in text
    assert len(re.findall(r"\b12,345,678\b", text)) == len(TABLES)
    assert ("+1,234/s" in text) == (width >= 120)
    assert "3.1 ms" in text
    assert "1.2 s" in text
    assert [line.strip() for line in found if line.strip()][-1] == FOOTER
    assert "1:02:03" in found[0]


@pytest.mark.parametrize("rows", [0, 999, 1_234_567_890, 1_234_567_890_123])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_count_is_cut(width: int, height: int, rows: int) -> None:
    """However many rows there are, each count is whole, on as many lines as that takes; what was said last of all goes first."""
    text = "\n".join(drawn(page(reading(rows=dict.fromkeys(TABLES, rows)), notes=["x"] * 40), width, height))
    shown = re.findall(rf"({'|'.join(TABLES)}) +([\d,]+)(?![\d,…])", text)
    assert dict(shown) == dict.fromkeys(TABLES, f"{rows:,}")
    assert "127.0.0.1:40621" in text


def test_a_simulated_market_cannot_be_taken_for_a_real_one() -> None:
    """The first line and each venue say so, and why it is simulated."""
    unreachable = {"binance": "no answer within 3 s"}
    found = drawn(page(reading(), unreachable=unreachable), 100, 30)
    assert "SIMULATED MARKET" in found[0]
    assert "no exchange can be reached from here" in found[0]
    assert sum("simulated" in line for line in found[1:]) == 2
    live = "\n".join(drawn(page(reading(), origin="live"), 100, 30))
    assert "live market" in live
    assert "simulated" not in live.lower()


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_reason_takes_no_room_from_names_and_numbers(width: int) -> None:
    """A stage that says a whole line of its log leaves the names beside it whole, and its numbers."""
    known = reading()
    known.stages["normalise"] = replace(known.stages["normalise"], state="down", reason="2026-11-27T00:09:37Z [info] " + "Stopping " * 20)
    (line,) = [line for line in drawn(page(known), width, 40) if line.startswith("normalise ")]
    assert "down: 2026" in line
    assert line.split()[-1] == "0"


def test_what_is_not_well_is_said_with_its_reason() -> None:
    """A stage that waits or is down says why, a venue that is unreachable too; trouble in looking is among the notes."""
    known = reading(trouble="the broker did not say its offsets")
    known.stages["normalise"] = replace(known.stages["normalise"], state="waiting", reason="no broker", p50=None, lag=None)
    known.stages["producers-kraken"] = replace(known.stages["producers-kraken"], state="down", reason="killed")
    found = "\n".join(drawn(page(known, origin="live", unreachable={"mtgox": "HTTP 451"}), 120, 40))
    assert re.search(r"normalise +waiting: no broker", found)
    assert re.search(r"kraken +down: killed", found)
    assert re.search(r"mtgox +unreachable: HTTP 451", found)
    assert "the broker did not say its offsets" in found
    assert NONE in found


def test_a_venue_left_out_is_not_called_unreachable() -> None:
    """What such a run cannot carry is left out with its reason, and nobody is told that an exchange can't be reached."""
    found = drawn(page(reading(), left_out={"mtgox": "it is not simulated"}), 100, 30)
    assert any(re.search(r"mtgox +left out: it is not simulated", line) for line in found)
    assert "reached" not in found[0]
    assert not any("unreachable" in line for line in found)


def test_a_venue_that_refused_a_stream_says_so() -> None:
    """A symbol that the venue does not have stands beside it by its name."""
    found = drawn(page(reading(venues={"kraken": VenueReading("kraken", refused=("trade NOPE/USD",))})), 100, 30)
    assert any(re.search(r"kraken +simulated, refused trade NOPE/USD ", line) for line in found)
    line = lines(reading(venues={"kraken": VenueReading("kraken", refused=("book NOPE/USD", "trade NOPE/USD"))}), 0)
    assert " kraken 0/s (refused book NOPE/USD, trade NOPE/USD) | " in line


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_faults_of_our_own_are_on_the_page(width: int, height: int) -> None:
    """Which venue, which event, how often and why stand under the venues; venue and stage are failing, and all else is still there."""
    found = drawn(page(reading(failing=[FAULT]), notes=["x"] * 40), width, height)
    text = "\n".join(found)
    assert "faults of our own, last five minutes" in text
    assert "binance trade failed 12 times in normalise: KeyError: 'p'" in text
    for name, state in (("binance", "failing"), ("kraken", "simulated"), ("normalise", "failing"), ("clickhouse", "ready")):
        assert any(line.split()[:2] == [name, state] for line in found), name
    for name, address in ADDRESSES:
        assert f"{name} {address}" in text
    assert "of our own" not in "\n".join(drawn(page(reading()), width, height))


def test_many_faults_leave_room_for_the_rest() -> None:
    """The newest are shown, as many as there is room for, and how many more there are; with no room at all it is still one."""
    many = [replace(FAULT, event=f"event{number}") for number in range(20)]
    found = drawn(page(reading(failing=many)), 120, 40)
    assert [line.split()[1] for line in found if "failed 12 times" in line] == [f"event{number}" for number in range(4)]
    assert "and 16 more: `tidewire doctor` tells all" in "\n".join(found)
    assert sum("failed 12 times" in line for line in drawn(page(reading(failing=many)), 80, 12)) == 1


def test_a_fault_is_told_in_plain_words() -> None:
    """Venue, event and stage as far as they are known, once or how often, and where to look where no reason was seen."""
    assert str(FAULT) == "binance trade failed 12 times in normalise: KeyError: 'p' (dialects/binance/frames.py:88 in read)"
    assert str(FaultReading("clickhouse", "", "", 1, "")) == "clickhouse failed once: its log says why"


def test_the_newest_notes_are_kept() -> None:
    """Where there is little room, what happened last is what is shown."""
    found = "\n".join(drawn(page(reading(), notes=[f"note {number}" for number in range(30)]), 100, 30))
    assert "note 29" in found
    assert "note 0\n" not in found


def test_before_anything_is_known_it_still_draws() -> None:
    """The first second of a run has no stage, no row and no note."""
    found = drawn(page(Reading()), 80, 24)
    assert any("none yet" in line for line in found)
    assert len(found) <= 24


def test_one_line_says_the_same_in_a_log() -> None:
    """Without a terminal a line has venues, stages, rows and gaps, and trouble where there is some."""
    line = lines(reading(open_gaps={"binance": 2, "kraken": 1}, trouble="no broker"), 65)
    assert line.startswith("0:01:05 binance 543/s, kraken 543/s | normalise ready 1,234/s lag 12 p50 3.1 ms p99 1.2 s; ")
    assert line.endswith(f"rows {12_345_678 * len(TABLES):,} with repeats | open gaps 3 | no broker")
    assert "producers" not in line
    failing = lines(reading(open_gaps={}, failing=[FAULT, replace(FAULT, venue="kraken")]), 65)
    assert failing.endswith(f"| open gaps 0 | failing: {FAULT}; {replace(FAULT, venue='kraken')}")
    assert f"open gaps {NONE}" in lines(Reading(), 0)


def test_numbers_are_written_for_people() -> None:
    """Times, counts and latencies in the units that suit them; what is not known is a dash, never a zero."""
    assert [clock(0), clock(59.9), clock(3723)] == ["0:00:00", "0:00:59", "1:02:03"]
    assert [count(None), count(0), count(1234567.4)] == [NONE, "0", "1,234,567"]
    assert [latency(None), latency(0.0004), latency(0.0123), latency(2.34)] == [NONE, "0.4 ms", "12 ms", "2.3 s"]
