"""Everything on one machine: the servers, the market, every stage as a process; started in order, watched, stopped in order.

Start: servers, topics and schemas, stages from the end of the flow to its beginning, producers when the others are ready.
Stop: producers first, then each next stage once it has read all that those before it wrote, the servers last.
"""

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dialects.catalogue import all_dialects
from local import LocalStack
from local.forked_process import ForkServer, Launch
from local.market import Market, listed, live, simulated, simulator_bases, simulator_venues, wanted
from local.monitor import Monitor
from local.priority import BACKGROUND
from local.pulse import Pulse
from local.reachability import unreachable
from local.sharing import by_process, cores, processes_of
from local.simulator_process import SimulatorProcess
from local.stage_process import StageProcess
from local.watchdog import Watchdog
from topology import addresses, state_folder
from topology.errors import Fatal, Retry
from topology.flow import STATEFUL, Stage, stages
from topology.registry import Registry
from topology.running import running
from topology.settings import Settings
from topology.topics import all_topics, create, register

SECONDS_TO_BE_READY = 30.0
SECONDS_TO_DRAIN = 60.0
SECONDS_MORE_TO_STOP = 5.0
"""Beyond a stage's own bound, after which it ends by itself and says what it waited for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `tidewire up` was asked for."""

    simulated: bool = False
    fresh: bool = False
    stages: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    rate: float = 300.0
    """Frames per second of the simulator, over all venues."""


class Supervisor:
    """One run, of the thread that makes it. `say` is told each thing that happens, by that thread or by one that starts a server."""

    def __init__(self, settings: Settings, options: Options, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.options = options
        self.market = Market("live", {})
        self.simulator = ""
        self.processes: dict[str, StageProcess] = {}
        """By child; children that share a process have the same one."""
        self.declared: dict[str, Stage] = {}
        self.troubles: list[str] = []
        self.hurry = False
        """Set by a second Ctrl-C: wait for no lag."""
        self._say = say
        self._stack: LocalStack | None = None
        self._watchdog: Watchdog | None = None
        self._forks: ForkServer | None = None
        self._monitor: Monitor | None = None
        self._pulse: Pulse | None = None
        self._lock: int | None = None
        self._simulator: SimulatorProcess | None = None

    @property
    def monitor(self) -> Monitor:
        """What reads the run's numbers, from `start` on."""
        if self._monitor is None:
            raise RuntimeError("the supervisor was not started")
        return self._monitor

    @property
    def logs(self) -> Path:
        """The folder of every stage's log."""
        return self.settings.state_dir / state_folder.LOGS

    def start(self) -> None:
        """Start everything; Fatal, with nothing left running, where it can't be."""
        chosen = self._chosen()
        venues = wanted(self.settings, self.options.symbols, self.options.venues)  # what it refuses is told before anything is started
        if self.options.simulated:
            listed(venues)
        self._begin_state(chosen)
        try:
            self._forks = ForkServer(self.logs, os.environ, self._say)  # it imports while the servers start
            self._start_servers()
            self._watchdog = Watchdog()
            self._choose_market()
            self._declare(chosen)
            self._monitor = Monitor(self.settings, self.processes, self.declared, self._venue_processes())
            self._pulse = Pulse(self.settings.state_dir, self.processes, self.settings.health.restart_seconds)
            self._start_stages()
            self._monitor.start()
            self._pulse.start()
        except BaseException:  # Ctrl-C too: nothing is left running
            self.hurry = True
            self.stop()
            raise

    def watch(self) -> None:
        """Start again what has ended unasked or hangs, and say so. Call it about once a second."""
        for words in self._stack.revive() if self._stack is not None else ():
            self._note(words)
        for process, pid, reason in self._pulse.hanging() if self._pulse is not None else ():
            red = f"/health was red for {self.settings.health.restart_seconds:g} s (health.restart_seconds): {reason}"
            self._note(process.end_hanging(pid, red))
        for process in (*by_process(self.processes), *([self._simulator] if self._simulator else [])):
            self._note(process.revive())
        for words in self._monitor.failures() if self._monitor is not None else ():
            self._note(words)

    def stop(self) -> None:
        """Stop everything in the order of the flow; what is still unread stays in Kafka for the next start."""
        order = list(stages())
        if self._pulse is not None:
            self._pulse.stop()
        if self._stack is not None and (lost := self._stack.lost()):
            self._note(f"{', '.join(lost)} does not run: nothing is waited for, and what is unread is read at the next start")
            self.hurry = True
            for process in by_process(self.processes):
                process.ask_to_stop()
        left = by_process(self.processes)
        for name in order:
            ending = {process: own for process, own in left.items() if name in {self.declared[child].name for child in own}}
            for child in (child for own in ending.values() for child in own if not self.declared[child].per_venue):
                self._await_drained(child)
            self._scrape()
            for process in ending:
                process.ask_to_stop()
            for process in ending:
                self._note(process.stop(self.settings.stop_seconds + SECONDS_MORE_TO_STOP))
                del left[process]
            if ending:
                self._say(f"stopped {', '.join(dict.fromkeys(self.declared[child].name for own in ending.values() for child in own))}")
        if self._simulator is not None:
            self._note(self._simulator.stop(10.0))
        if self._monitor is not None:
            self._monitor.stop()

    def stop_servers(self) -> None:
        """Stop the servers; their data stays."""
        if self._monitor is not None:
            self._monitor.close()
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        if self._forks is not None:
            self._forks.close()
            self._forks = None
        if self._stack is not None:
            self._say("stopping the servers")
            self._stack.stop()
            self._stack = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _chosen(self) -> list[Stage]:
        unknown = [name for name in self.options.stages if name not in stages()]
        if unknown:
            raise Fatal(f"no stage is called {', '.join(unknown)}; there are {', '.join(stages())}")
        return [stage for name, stage in stages().items() if stage.runs and (not self.options.stages or name in self.options.stages)]

    def _begin_state(self, chosen: Sequence[Stage]) -> None:
        state_dir = self.settings.state_dir
        if self.options.fresh:
            LocalStack(state_dir, self.settings.cache_dir).fresh()
        state_folder.take_up(state_dir)
        self._lock = os.open(state_dir / state_folder.UP_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise Fatal(f"another `tidewire up` runs in {state_dir}: stop it, or set TIDEWIRE_STATE_DIR to another folder") from None
        names = {stage.child(venue) for stage in chosen for venue in (all_dialects() if stage.per_venue else ("",))}
        names |= {stage.name for stage in chosen} | {STATEFUL}  # as processes are called that do the work of several
        others = [one for one in running(state_dir) if one["stage"] in names]
        if others:
            them = ", ".join(f"{one['stage']} (process {one['pid']})" for one in others)
            self._say(f"already running in {state_dir}: {them}; the work is shared with it")

    def _start_servers(self) -> None:
        lacking = addresses.missing(self.settings)
        if lacking:
            self._say(f"starting {', '.join(lacking)} (embedded; data in {self.settings.state_dir})")
            self._stack = LocalStack(
                self.settings.state_dir, self.settings.cache_dir, self._say, self.settings.http.allowed_hosts, lasting=True
            )
            self.settings = addresses.merged(self.settings, self._stack.start(lacking))
        topics = all_topics()
        changed = create(self.settings.kafka, topics)
        register(Registry(self.settings.registry), topics)
        if changed:
            self._say(f"{len(topics)} topics, {len(changed)} changes: {'; '.join(changed[:3])}{' …' if len(changed) > 3 else ''}")

    def _choose_market(self) -> None:
        venues = wanted(self.settings, self.options.symbols, self.options.venues)
        reasons: dict[str, str] = {}
        found: Market | None = None
        if not self.options.simulated:
            self._say(f"trying {', '.join(venues)}")
            reasons = unreachable(venues)
            found = live(venues, reasons)
        for name, reason in reasons.items():
            self._say(f"{name}: {'unreachable: ' + reason if reason else 'reached'}")
        if found is None:
            self._say("going on with the simulator: every event is labelled `simulated`")
            venues, unlisted = listed(venues)
            for name, reason in unlisted.items():
                self._say(f"{name}: {reason}")
            self._simulator = SimulatorProcess(
                simulator_bases(venues),
                self.options.rate,
                self.logs,
                self._watched(),
                simulator_venues(venues),
                self.settings.http.allowed_hosts,
                self._launch(),
            )
            served = self._simulator.serve(SECONDS_TO_BE_READY)
            self.simulator = served.get("control", "")
            found = simulated(venues, served, reasons)
            found = replace(found, left_out={**found.left_out, **{name: why for name, why in unlisted.items() if name not in venues}})
        self.market = found
        self.settings = self.settings.model_copy(update={"venues": dict(found.venues)})

    def _declare(self, chosen: Sequence[Stage]) -> None:
        base = addresses.environment(self.settings)
        base["TIDEWIRE_VENUES"] = json.dumps({name: venue.model_dump(mode="json") for name, venue in self.market.venues.items()})
        for shared in processes_of(chosen, self.market.venues, self.settings, cores()):
            command = [sys.executable, "-m", shared.package, *shared.arguments]
            niceness = BACKGROUND if all(stage.background for stage in shared.children.values()) else 0
            made = StageProcess(shared.name, command, base, self.logs, self._watched(), niceness=niceness, launch=self._launch())
            self.processes |= dict.fromkeys(shared.children, made)
            self.declared |= shared.children

    def _venue_processes(self) -> dict[str, str]:
        return {name: name.removeprefix(f"{stage.name}-") for name, stage in self.declared.items() if stage.per_venue}

    def _start_stages(self) -> None:
        readers = [name for name, stage in self.declared.items() if not stage.per_venue]
        for process in reversed(by_process({name: self.processes[name] for name in readers})):
            process.start()
        if readers:
            self._say(f"started {', '.join(readers)}")
        self._await_ready(readers)
        sources = [name for name, stage in self.declared.items() if stage.per_venue]
        for process in by_process({name: self.processes[name] for name in sources}):
            process.start()
        if sources:
            self._say(f"started {', '.join(sources)}")

    def _await_ready(self, names: Sequence[str]) -> None:
        """Wait a while for those who read, so that what comes first is not late already; they may become ready later."""
        deadline = time.monotonic() + SECONDS_TO_BE_READY
        while time.monotonic() < deadline:
            self.watch()
            reading = self.monitor.read()
            if all(reading.stages[name].state == "ready" for name in names):
                return
            time.sleep(0.2)
        late = [f"{name} ({reading.stages[name].reason or reading.stages[name].state})" for name in names]
        self._say(f"not ready after {SECONDS_TO_BE_READY:.0f} s, going on: {', '.join(late)}")

    def _await_drained(self, name: str) -> None:
        """Wait until a stage has read everything; bounded, and not at all in a hurry. What it has read it keeps when asked to stop."""
        deadline, said = time.monotonic() + SECONDS_TO_DRAIN, False
        while self.processes[name].pid is not None and not self.hurry:
            try:
                lag = self.monitor.unread(name)
            except Retry as error:
                self._note(f"{name}: its lag is unknown: {error}")
                return
            if lag == 0:
                return
            if time.monotonic() > deadline:
                self._note(f"{name} still had {lag} messages to read after {SECONDS_TO_DRAIN:.0f} s; they are read at the next start")
                return
            if not said:
                self._say(f"{name} reads the last {lag} messages")
                said = True
            time.sleep(0.2)

    def _scrape(self) -> None:
        if self._monitor is not None:
            with contextlib.suppress(Retry):
                self._monitor.read()

    def _watched(self) -> Watchdog:
        if self._watchdog is None:
            raise RuntimeError("the watchdog was not started")
        return self._watchdog

    def _launch(self) -> Launch:
        if self._forks is None:
            raise RuntimeError("the fork server was not started")
        return self._forks.launch

    def _note(self, trouble: str) -> None:
        """Say what went wrong, and keep it for the summary."""
        if trouble:
            self.troubles.append(trouble)
            self._say(trouble)
