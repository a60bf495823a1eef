"""What the live view, the plain lines and the summary show: read from the stages, the broker and ClickHouse.

Stages are asked each second, the broker every two, ClickHouse every five: looking must cost nearly nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from local.health_pages import failing, page, pages_of, readiness_in
from local.readings import FaultReading, Reading, StageReading, VenueReading
from local.sharing import by_process
from local.stage_process import StageProcess
from local.tallies import Tally, by_label, matching, parse, positions, quantile, those_of, total
from schemas.catalogue import event
from topology.clickhouse import Questions
from topology.errors import Fatal, Retry
from topology.flow import Stage
from topology.lag import Offsets, Place
from topology.settings import Settings
from topology.topics import all_topics

LAG_SECONDS = 2.0
ROWS_SECONDS = 5.0
LATENCY = "tidewire_latency_seconds"
IN, OUT, REFUSED = "tidewire_events_in_total", "tidewire_events_out_total", "tidewire_dead_letters_total"
FAULTS, POSITION = "tidewire_faults_total", "tidewire_position"
REFUSED_STREAMS = "tidewire_refused_streams_total"


def topics_of(names: tuple[str, ...]) -> list[str]:
    """Return the topics that carry these events."""
    return [topic for topic, one in all_topics().items() if one.name in names]


class Monitor:
    """Read on and on in a thread of its own. `processes` are the children's by name, `declared` the stage of each, `venues` whose it is.

    Children may share a process: each is read as if it had its own.
    """

    def __init__(
        self,
        settings: Settings,
        processes: Mapping[str, StageProcess],
        declared: Mapping[str, Stage],
        venues: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reading = Reading()
        self.offsets = Offsets(settings.kafka)
        self._settings = settings
        self._processes = processes
        self._declared = declared
        self._venues = venues
        self._clock = clock
        self._tallies: dict[str, Tally] = {}
        self._failing: dict[str, list[FaultReading]] = {}
        self._reasons: dict[tuple[str, str, str], str] = {}
        self._lags: dict[str, int] = {}
        self._failed: dict[str, str] = {}
        self._questions: Questions | None = None
        self._row_history: tuple[float, dict[str, int]] | None = None
        self._before: dict[tuple[str, int], int] = {}
        self._due = {"lag": 0.0, "rows": 0.0}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_reading, name="monitor", daemon=True)
        self._reading = threading.Lock()

    def start(self) -> None:
        """Begin to read each second; what is in the topics now was there before this run."""
        self._before = self.offsets.ends(self.offsets.partitions(all_topics()))
        self._thread.start()

    def stop(self) -> None:
        """Read no more by itself; `read` still works."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def close(self) -> None:
        """Let the connections go."""
        self.stop()
        self.offsets.close()

    def _keep_reading(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self.read()
            except Exception as error:  # noqa: BLE001 - the view must not end with one odd answer; it shows what is wrong instead
                self.reading.trouble = f"{type(error).__name__}: {error}"

    def read(self, *, everything: bool = False) -> Reading:
        """Read now; lags and rows only where they are due, or where everything is asked for."""
        with self._reading:
            time = self._clock()
            self._scrape(time)
            trouble = ""
            try:
                if everything or time >= self._due["lag"]:
                    self._due["lag"] = time + LAG_SECONDS
                    self._read_lags()
                if everything or time >= self._due["rows"]:
                    self._due["rows"] = time + ROWS_SECONDS
                    self._read_rows(time)
            except (Retry, Fatal) as error:
                trouble = str(error)
            self.reading = self._composed(trouble)
            return self.reading

    def published(self) -> dict[str, int]:
        """Return how many messages each topic has got since `start`, whoever wrote them."""
        found = dict.fromkeys(all_topics(), 0)
        for place, end in self.offsets.ends(self.offsets.partitions(found)).items():
            found[place[0]] += end - self._before.get(place, 0)
        return found

    def inserted(self, tables: Iterable[str]) -> dict[str, int]:
        """Return how many rows the sink of this run has inserted into each table; none where it has no sink."""
        counts = by_label(self.samples("clickhouse").all, OUT, "topic")
        return {table: counts.get(table, 0) for table in tables}

    def unread(self, name: str) -> int:
        """Return how many messages a stage has still to read, asked just now. Raises Retry where the broker does not say."""
        with self._reading:
            self._scrape(self._clock())
            return self._lag(name)

    def failures(self) -> list[str]:
        """Return in words which children have stopped for good inside a process that goes on, each once."""
        failed = {name: one.reason for name, one in self.reading.stages.items() if one.state == "failed" and one.pid is not None}
        new = {name: reason for name, reason in failed.items() if name not in self._failed}
        self._failed = failed
        return [f"{name} has stopped and is not started again: {reason}" for name, reason in new.items()]

    def samples(self, name: str) -> Tally:
        """Return what a child's metrics have said."""
        return self._tallies.setdefault(name, Tally())

    def _scrape(self, time: float) -> None:
        pages = pages_of(self._settings.state_dir)
        for process, names in by_process(self._processes).items():
            pid = process.pid
            url = "" if pid is None else pages.get(pid, "")
            found = parse(page(f"{url}/metrics")[1]) if url else {}
            faults = failing(url)
            for name in names:
                venue = self._venues.get(name, "") if len(names) > 1 else ""
                if found and pid is not None:
                    self.samples(name).take(pid, those_of(found, name, venue) if len(names) > 1 else found, time)
                own = [one for one in faults if len(names) == 1 or one.stage == name or (venue and one.venue == venue)]
                self._failing[name] = [replace(one, stage=name) for one in own]
                for one in reversed(self._failing[name]):
                    self._reasons[name, one.venue, one.event] = one.reason

    def _read_lags(self) -> None:
        wanted = {name: stage for name, stage in self._declared.items() if not stage.per_venue}
        topics = {topic for stage in wanted.values() for topic in topics_of(stage.reads)}
        ends = self.offsets.ends(self.offsets.partitions(topics))
        for name in wanted:
            self._lags[name] = self._lag(name, ends)

    def _lag(self, name: str, ends: Mapping[Place, int] | None = None) -> int:
        """Return what a stage has not read. What a process has read but not acknowledged is read no more once it has ended."""
        stage = self._declared[name]
        read = positions(self.samples(name).all, POSITION) if self._processes[name].pid is not None else None
        return self.offsets.lag(stage.consumer_group, topics_of(stage.reads), ends, read)

    def _read_rows(self, time: float) -> None:
        if self._questions is None:
            self._questions = Questions(self._settings.clickhouse)
        rows = self._questions.rows()
        rates: dict[str, float] = {}
        if self._row_history is not None and time > self._row_history[0]:
            before, old = self._row_history
            rates = {table: max(0.0, (count - old.get(table, 0)) / (time - before)) for table, count in rows.items()}
        self._row_history = (time, rows)
        self.reading.rows, self.reading.row_rates = rows, rates
        self.reading.open_gaps = self._questions.open_gaps() if "gaps" in rows else None

    def _composed(self, trouble: str) -> Reading:
        pages = pages_of(self._settings.state_dir)
        old = self.reading
        new = Reading(rows=old.rows, row_rates=old.row_rates, open_gaps=old.open_gaps, trouble=trouble)
        ready = {process: page(f"{url}/ready") for process in by_process(self._processes) if (url := pages.get(process.pid or 0))}
        for name in self._declared:
            new.stages[name] = self._stage(name, ready)
            new.failing += self._failing.get(name, ())
            new.faults += self._faults(name)
        for name, venue in self._venues.items():
            new.venues[venue] = self._venue(name, venue)
            new.venues[venue].open_gaps = None if new.open_gaps is None else new.open_gaps.get(venue, 0)
        return new

    def _stage(self, name: str, ready: Mapping[StageProcess, tuple[int, str]]) -> StageReading:
        process, tally = self._processes[name], self.samples(name)
        state, reason = ("stopped", "") if process.is_stopped else ("failed" if process.is_fatal else "down", process.last_line)
        if process.pid is not None:
            state, reason = readiness_in(*ready[process], name) if process in ready else ("starting", "")
        everything = tally.all
        return StageReading(
            name=name,
            state=state,
            reason=reason,
            pid=process.pid,
            restarts=process.restarts,
            read=total(everything, IN),
            written=total(everything, OUT),
            refused=total(everything, REFUSED),
            read_rate=tally.rate(IN),
            written_rate=tally.rate(OUT),
            lag=self._lags.get(name),
            p50=tally.recent(LATENCY, 0.5),
            p99=tally.recent(LATENCY, 0.99),
            whole_p50=quantile(everything, LATENCY, 0.5),
            whole_p99=quantile(everything, LATENCY, 0.99),
        )

    def _faults(self, name: str) -> list[FaultReading]:
        """Return the faults of the whole run: counted by metrics, which outlive a restart, with the last reason that was seen."""
        counts: dict[tuple[str, str], int] = {}
        for labels, value in matching(self.samples(name).all, FAULTS):
            part = labels.get("venue", ""), labels.get("event", "")
            counts[part] = counts.get(part, 0) + int(value)
        return [FaultReading(name, *part, count, self._reasons.get((name, *part), "")) for part, count in counts.items() if count]

    def _venue(self, name: str, venue: str) -> VenueReading:
        tally = self.samples(name)
        everything, topic = tally.all, event("frame").topic.of(venue)
        return VenueReading(
            name=venue,
            connections=total(everything, "tidewire_connections"),
            frames=by_label(everything, OUT, "topic").get(topic, 0),
            frame_rate=tally.rate(OUT, topic=topic),
            reconnects=total(everything, "tidewire_reconnects_total"),
            silences=total(everything, "tidewire_silences_total"),
            dropped=total(everything, "tidewire_dropped_frames_total"),
            refused=tuple(sorted(_stream(labels) for labels, _ in matching(everything, REFUSED_STREAMS))),
        )


def _stream(labels: Mapping[str, str]) -> str:
    return f"{labels['channel']} {labels['symbol']}".strip() or "a stream"
