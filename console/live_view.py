"""The live page in the terminal: pure drawing of what the monitor has read. It fits 80 x 24, and uses more where there is more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from local.readings import FaultReading, Reading, StageReading, VenueReading
from topology.terminal import printable

COLOURS = {"ready": "green", "starting": "yellow", "waiting": "yellow", "silent": "red", "down": "red"}
NONE = "\u2013"
FOOTER = "Ctrl-C stops everything in order; nothing is lost."
WIDEST_STATE = 36
"""Characters of a state with its reason: names and numbers beside it stay whole."""
MOST_FAULTS = 5
"""Kinds of faults on the page at most; `tidewire doctor` tells all."""


@dataclass(frozen=True, slots=True)
class Page:
    """All that is on the page."""

    reading: Reading
    origin: str
    seconds: float
    addresses: Sequence[tuple[str, str]]
    notes: Sequence[str]
    unreachable: Mapping[str, str]
    """Why venues that were wanted can't be reached."""
    left_out: Mapping[str, str]
    """Why venues that were wanted are not carried by such a run, whether they can be reached or not."""
    footer: str = FOOTER

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the page in as many lines as the terminal has; what is least needed is cut first."""
        height, width = options.height or console.height, options.max_width
        known = {venue: f"unreachable: {printable(reason)}" for venue, reason in self.unreachable.items()}
        known |= {venue: f"left out: {reason}" for venue, reason in self.left_out.items()}
        venues: list[RenderableType] = [Rule("venues", style="dim", align="left"), _venues(self.reading, self.origin, known)]
        parts: list[RenderableType] = [
            Rule("stages", style="dim", align="left"), _stages(self.reading),
            Rule("rows in ClickHouse, repeats not yet merged included", style="dim", align="left"), _rows(self.reading, console, width),
            Rule("addresses", style="dim", align="left"), _addresses(self.addresses, width),
        ]  # fmt: skip
        drawn = _drawn(console, options, self._header(), *venues)
        rest = _drawn(console, options, *parts)
        if self.reading.failing:
            drawn += _drawn(console, options, *_faults(self.reading.failing, height - len(drawn) - len(rest) - 2))
        drawn += rest
        room = max(0, height - len(drawn) - 2)
        notes = [printable(self.reading.trouble)] if self.reading.trouble else []
        notes = [*self.notes, *notes][-min(room, 8) :] if room else []
        if notes:
            drawn += _drawn(console, options, Rule("what happened", style="dim", align="left"))
            drawn += _drawn(console, options, *(Text(note, style="dim", no_wrap=True, overflow="ellipsis") for note in notes))
        drawn = drawn[: height - 1]
        drawn += _drawn(console, options, Text(self.footer, style="bold"))
        for number, line in enumerate(drawn):
            yield from line
            if number < len(drawn) - 1:
                yield Segment.line()

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        """Take the whole width."""
        return Measurement(options.max_width, options.max_width)

    def _header(self) -> Table:
        header = Table.grid(expand=True)
        header.add_column()
        header.add_column(justify="right")
        label = (
            Text("SIMULATED MARKET", style="bold black on yellow")
            if self.origin == "simulated"
            else Text("live market", style="bold green")
        )
        title = Text.assemble(("Tidewire ", "bold cyan"), label)
        if self.origin == "simulated" and self.unreachable:
            title.append("  no exchange can be reached from here", style="yellow")
        header.add_row(title, Text(clock(self.seconds), style="dim"))
        return header


def _drawn(console: Console, options: ConsoleOptions, *parts: RenderableType) -> list[list[Segment]]:
    return [line for part in parts for line in console.render_lines(part, options.update(height=None), pad=False)]


def _faults(failing: Sequence[FaultReading], room: int) -> list[RenderableType]:
    """Draw the newest faults, one a line, in `room` lines under a rule; one is there however little room there is."""
    shown = max(1, min(room, MOST_FAULTS))
    if len(failing) > shown:
        shown = max(1, shown - 1)
    parts: list[RenderableType] = [Rule("faults of our own, last five minutes", style="red", align="left")]
    parts += [Text(printable(str(one)), style="red", no_wrap=True, overflow="ellipsis") for one in failing[:shown]]
    if len(failing) > shown and room > 1:
        parts.append(Text(f"and {len(failing) - shown} more: `tidewire doctor` tells all", style="red"))
    return parts


def clock(seconds: float) -> str:
    """Return a time as 1:02:03."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def count(value: float | None) -> str:
    """Return a count with separators; a dash where there is none."""
    return NONE if value is None else f"{value:,.0f}"


def latency(seconds: float | None) -> str:
    """Return a latency in the unit that suits it."""
    if seconds is None:
        return NONE
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1_000:.1f} ms" if seconds < 0.01 else f"{seconds * 1_000:.0f} ms"


def _table(*columns: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        widest = WIDEST_STATE if number == 1 else None
        table.add_column(column, justify="left" if number < 2 else "right", no_wrap=True, overflow="ellipsis", max_width=widest)
    return table


def _state(state: str, reason: str = "", *, failing: bool = False) -> Text:
    if failing and state == "ready":
        return Text("failing", style="red")
    return Text(f"{state}: {printable(reason)}" if reason and state != "ready" else state, style=COLOURS.get(state, ""))


def _bad(value: int | None) -> Text:
    return Text(count(value), style="red" if value else "")


def _venues(reading: Reading, origin: str, absent: Mapping[str, str]) -> Table:
    failing = {one.venue for one in reading.failing}
    table = _table("venue", "state", "frames/s", "frames", "sockets", "reconnects", "open gaps")
    for venue in reading.venues.values():
        producer = reading.stages.get(f"producers-{venue.name}")
        table.add_row(*_venue(venue, origin, producer, failing=venue.name in failing))
    for name, words in absent.items():
        if name not in reading.venues:
            table.add_row(name, Text(words, style="yellow"), *[NONE] * 5)
    return table


def _venue(venue: VenueReading, origin: str, producer: StageReading | None, *, failing: bool) -> tuple[str | Text, ...]:
    state = _state(producer.state, producer.reason, failing=failing) if producer else Text(NONE)
    if producer and producer.state == "ready" and not failing:
        state = Text(origin, style="yellow" if origin == "simulated" else "green")
        if venue.refused:
            state = Text(f"{origin}, refused {', '.join(venue.refused)}", style="red")
    return (
        venue.name,
        state,
        count(venue.frame_rate),
        count(venue.frames),
        count(venue.connections),
        count(venue.reconnects),
        _bad(venue.open_gaps),
    )


def _stages(reading: Reading) -> Table:
    table = _table("stage", "state", "in/s", "out/s", "lag", "p50", "p99", "refused", "restarts")
    failing = {one.stage for one in reading.failing}
    for stage in reading.stages.values():
        if stage.name.removeprefix("producers-") in reading.venues:
            continue
        table.add_row(
            stage.name,
            _state(stage.state, stage.reason, failing=stage.name in failing),
            count(stage.read_rate),
            count(stage.written_rate),
            count(stage.lag),
            latency(stage.p50),
            latency(stage.p99),
            _bad(stage.refused),
            _bad(stage.restarts),
        )
    return table


def _rows(reading: Reading, console: Console, width: int) -> Table:
    """Put as much side by side as fits whole: a number cut by an ellipsis would be a wrong number."""
    for each, rates in ((3, True), (3, False), (2, False)):
        grid = _rows_of(reading, each, rates=rates)
        if console.measure(grid, options=console.options.update(width=10_000)).maximum <= width:
            break
    return grid


def _rows_of(reading: Reading, each: int, *, rates: bool) -> Table:
    grid = Table.grid(padding=(0, 3 if rates else 2, 0, 0))
    for _ in range(each):
        grid.add_column(no_wrap=True)
        grid.add_column(justify="right", no_wrap=True, min_width=8)
        if rates:
            grid.add_column(style="dim", no_wrap=True, min_width=7)
    cells: list[str] = []
    for table, rows in reading.rows.items():
        rate = reading.row_rates.get(table, 0.0)
        cells += [table, count(rows), *([f"+{count(rate)}/s" if rate >= 0.5 else ""] if rates else [])]
    for start in range(0, len(cells), len(grid.columns)):
        grid.add_row(*cells[start : start + len(grid.columns)])
    if not cells:
        grid.add_row("none yet")
    return grid


def _addresses(addresses: Sequence[tuple[str, str]], width: int) -> Text:
    """Put as many addresses on a line as fit; one that is longer than a line is folded, never cut: people copy them."""
    text, used = Text(overflow="fold"), 0
    for name, address in addresses:
        length = len(name) + 1 + len(address)
        if used and used + 3 + length > width:
            text.append("\n")
            used = 0
        elif used:
            text.append("   ")
            used += 3
        text.append(f"{name} ", style="dim")
        text.append(address)
        used += length
    return text


def lines(reading: Reading, seconds: float) -> str:
    """Return the same in one line, for a log."""
    venues = ", ".join(
        f"{venue.name} {count(venue.frame_rate)}/s" + (f" (refused {', '.join(venue.refused)})" if venue.refused else "")
        for venue in reading.venues.values()
    )
    stages = "; ".join(
        f"{stage.name} {stage.state} {count(stage.read_rate)}/s lag {count(stage.lag)} p50 {latency(stage.p50)} p99 {latency(stage.p99)}"
        for stage in reading.stages.values()
        if stage.name.removeprefix("producers-") not in reading.venues
    )
    gaps = NONE if reading.open_gaps is None else count(sum(reading.open_gaps.values()))
    rows = count(sum(reading.rows.values()))
    failing = f" | failing: {'; '.join(map(str, reading.failing[:MOST_FAULTS]))}" if reading.failing else ""
    trouble = f" | {reading.trouble}" if reading.trouble else ""
    return printable(f"{clock(seconds)} {venues} | {stages} | rows {rows} with repeats | open gaps {gaps}{failing}{trouble}")
