"""The simulator as a whole: one market, a server for each venue, a control server, and the clock that moves them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from aiohttp import web

from simulator.accounts import rest as accounts_rest
from simulator.accounts.accounts import Accounts
from simulator.control import Control
from simulator.fault_desk import FaultDesk
from simulator.faults import AT_ONCE_KINDS, Fault
from simulator.instruments import BINANCE, KRAKEN, VENUES, instruments
from simulator.market import MANUAL_START_US, Market, MarketSettings
from simulator.rate import steps_per_second
from simulator.truth import Truth
from simulator.venue import Venue
from simulator.venues.binance.venue import Binance
from simulator.venues.kraken.venue import AUTHENTICATED_PATH, Kraken

STEPS_BETWEEN_FLUSHES = 200
TICK_SECONDS = 0.005
LONGEST_CATCH_UP_SECONDS = 0.05
"""Time spent on market steps before the loop serves its sockets again."""
BACKLOG_BYTES = 4 << 20
"""With the clock moved by hand, the market waits while a client leaves more than this untaken."""
LONGEST_DRAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """What to simulate, and where to serve it; port 0 takes a free one."""

    seed: int = 7
    bases: tuple[str, ...] = ("BTC", "ETH")
    venues: tuple[str, ...] = VENUES
    rate: float = 2000.0
    """Frames per second of market time, over all venues and streams."""
    speed: float = 1.0
    """Market seconds per wall second, in the running mode."""
    levels: int = 1000
    trade_share: float = 0.3
    start_us: int | None = None
    """First microsecond of the market; without it 2026-01-01 with the clock moved by hand, now in the running mode."""
    history: int = 100_000
    """Book changes of each instrument that the truth can undo."""
    host: str = "127.0.0.1"
    binance_port: int = 0
    kraken_port: int = 0
    control_port: int = 0
    ping_seconds: float = 20.0
    heartbeat_seconds: float = 1.0
    orders: bool = False
    """Whether changes of Kraken's single orders are remembered, so that they can be told afterwards."""
    slow_client_bytes: int = 64 << 20
    """In the running mode a connection with a longer backlog is ended."""


class Simulator:
    """An async context manager; inside it the servers answer at `addresses`.

    With `running=False` the market moves only by `step`; with `running=True` it follows the clock, until `pause`.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        running: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self._clock = clock
        self._wall_clock = wall_clock
        self._follows_wall = running and self.settings.start_us is None
        start_us = self.settings.start_us
        if start_us is None:
            start_us = int(wall_clock() * 1_000_000) if running else MANUAL_START_US
        listed = instruments(self.settings.venues, self.settings.bases)
        market = MarketSettings(
            self.settings.seed,
            start_us,
            levels=self.settings.levels,
            trade_share=self.settings.trade_share,
        )
        market = replace(market, steps_per_second=steps_per_second(listed, market, self.settings.rate))
        self.market = Market(listed, market)
        self.truth = Truth(self.market, self.settings.history)
        self.faults = FaultDesk(clock)
        self.accounts = Accounts(lambda: int(wall_clock() * 1_000_000))
        self.venues: dict[str, Venue] = {}
        if BINANCE in self.settings.venues:
            self.venues[BINANCE] = Binance(self.truth, self.faults, clock, self.settings.ping_seconds)
        if KRAKEN in self.settings.venues:
            self.venues[KRAKEN] = Kraken(
                self.truth, self.faults, clock, self.accounts, self.settings.heartbeat_seconds, self.settings.orders
            )
        for name, venue in self.venues.items():
            accounts_rest.add_routes(venue.app.router, self.accounts, name)
        self.running = running
        self.owed_steps = 0.0
        """In the running mode, steps which the clock asks for and the machine has not managed yet."""
        self.addresses: dict[str, str] = {}
        self._runners: list[web.AppRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._moving = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start every server, and the clock if it runs."""
        settings = self.settings
        for name, port in ((BINANCE, settings.binance_port), (KRAKEN, settings.kraken_port)):
            if name in self.venues:
                served = await self._serve(self.venues[name].app, port)
                path = "/v2" if name == KRAKEN else ""
                self.addresses[f"{name}_ws"] = f"ws://{served}{path}"
                self.addresses[f"{name}_rest"] = f"http://{served}"
                if name == KRAKEN:
                    self.addresses["kraken_authenticated_ws"] = f"ws://{served}{AUTHENTICATED_PATH}"
        self.addresses["control"] = f"http://{await self._serve(Control(self).app, settings.control_port)}"
        self._tasks = [asyncio.create_task(venue.beat()) for venue in self.venues.values()]
        self._tasks.append(asyncio.create_task(self._run()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the clock, end every connection, free the ports."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for venue in self.venues.values():
            for connection in list(venue.connections.values()):
                connection.transport.abort()
        for runner in self._runners:
            await runner.cleanup()
        for outcome in ended:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _serve(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.settings.host, port).start()
        host, bound = runner.addresses[0][:2]
        return f"{host}:{bound}"

    def made(self) -> dict[str, int]:
        """Messages made by each venue, heard or not."""
        return {name: venue.made for name, venue in self.venues.items()}

    def _advance(self) -> None:
        step = self.market.step()
        for venue in self.venues.values():
            venue.on_time(step.time_us)
        self.truth.record(step)
        self.venues[step.listing.instrument.venue].on_step(step)

    async def step(self, number: int = 1) -> None:
        """Move the market by so many steps, waiting for clients that lag."""
        async with self._moving:
            for index in range(number):
                self._advance()
                if index % STEPS_BETWEEN_FLUSHES == STEPS_BETWEEN_FLUSHES - 1:
                    self._flush()
                    await self._drain(BACKLOG_BYTES)
            self._flush()
            await self._drain(BACKLOG_BYTES)

    async def pause(self) -> None:
        """Stop the clock and send all that is due: afterwards every change made has been sent to its subscribers."""
        self.running = False
        async with self._moving:
            for venue in self.venues.values():
                venue.finish()
                venue.release()
            self._flush()
            await self._drain(0)

    def resume(self) -> None:
        """Let the clock run on from here; a market that follows the wall clock has slept meanwhile."""
        if not self.running:
            if self._follows_wall:
                behind = int(self._wall_clock() * 1_000_000) - self.market.time_us
                self.market.skip(max(0, behind))
            self.running = True

    async def inject(self, fault: Fault) -> Fault:
        """Arm a fault, or do it if it is one of those done at once.

        Raises:
            ValueError: no such kind, venue or symbol.
        """
        venue = self.venues.get(fault.venue)
        if venue is None:
            raise ValueError(f"venue {fault.venue!r} is not simulated here; there are {', '.join(self.venues)}")
        if fault.symbol is not None:
            names = {each.instrument.wire_symbol: symbol for symbol, each in venue.listings.items()}
            fault.symbol = names.get(fault.symbol, fault.symbol)
            if fault.symbol not in venue.listings:
                raise ValueError(f"symbol {fault.symbol!r} is not listed at {fault.venue}")
        self.faults.arm(fault)
        if fault.kind in AT_ONCE_KINDS:
            if fault.kind == "shutdown":
                venue.announce_shutdown()
            else:
                await venue.disconnect(fault)
        return fault

    def _flush(self) -> None:
        for venue in self.venues.values():
            venue.flush()

    async def _drain(self, limit: int) -> None:
        """Wait until no client leaves more than `limit` bytes untaken; end those that do not move for long."""
        deadline = self._clock() + LONGEST_DRAIN_SECONDS
        # A transport tells nobody that its buffer has emptied, hence the polling.
        while any(each.backlog() > limit for venue in self.venues.values() for each in venue.connections.values()):
            if self._clock() > deadline:
                for venue in self.venues.values():
                    venue.drop_slow(limit)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)

    async def _run(self) -> None:
        """Follow the clock while running: as many steps as market time has passed."""
        last = self._clock()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._clock()
            passed, last = now - last, now
            if not self.running:
                self.owed_steps = 0.0
                continue
            self.owed_steps += passed * self.settings.speed * self.market.settings.steps_per_second
            async with self._moving:
                until = now + LONGEST_CATCH_UP_SECONDS
                while self.owed_steps >= 1 and self.running:
                    for _ in range(min(int(self.owed_steps), STEPS_BETWEEN_FLUSHES)):
                        self._advance()
                        self.owed_steps -= 1
                    if self._clock() >= until:
                        break
                self._flush()
            for venue in self.venues.values():
                venue.drop_slow(self.settings.slow_client_bytes)
