"""The simulated world: one market, its venues with their accounts and faults, and the clock that moves them. It opens no port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from simulator.accounts import rest as accounts_rest
from simulator.accounts.accounts import Accounts
from simulator.catalogue import instruments, venue
from simulator.fault_desk import FaultDesk
from simulator.faults import AT_ONCE_KINDS, Fault
from simulator.market import MANUAL_START_US, Market, MarketSettings
from simulator.rate import steps_per_second
from simulator.settings import SimulatorSettings
from simulator.surroundings import Surroundings
from simulator.truth import Truth
from simulator.venue import Venue

STEPS_BETWEEN_FLUSHES = 200
TICK_SECONDS = 0.005
LONGEST_CATCH_UP_SECONDS = 0.05
"""Time spent on market steps before the loop serves its sockets again."""
BACKLOG_BYTES = 4 << 20
"""With the clock moved by hand, the market waits while a client leaves more than this untaken."""
LONGEST_DRAIN_SECONDS = 30.0


class World:
    """With `running=False` the market moves only by `step`; with `running=True` it follows the clock, until `pause`.

    Raises:
        ValueError: a venue of the settings is not simulated.
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        running: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self._follows_wall = running and settings.start_us is None
        start_us = settings.start_us
        if start_us is None:
            start_us = int(wall_clock() * 1_000_000) if running else MANUAL_START_US
        listed = instruments(settings.venues, settings.bases)
        market = MarketSettings(settings.seed, start_us, levels=settings.levels, trade_share=settings.trade_share)
        market = replace(market, steps_per_second=steps_per_second(listed, market, settings.rate))
        self.market = Market(listed, market)
        self.truth = Truth(self.market, settings.history)
        self.faults = FaultDesk(clock)
        self.accounts = Accounts(lambda: int(wall_clock() * 1_000_000))
        surroundings = Surroundings(
            self.truth, self.faults, clock, self.accounts, settings.ping_seconds, settings.heartbeat_seconds, settings.orders
        )
        self.venues: dict[str, Venue] = {name: venue(name)(surroundings) for name in settings.venues}
        known = accounts_rest.exchanges()
        for name, one in self.venues.items():
            if exchange := known.get(one.keys_of or name):
                accounts_rest.add_routes(one.app.router, self.accounts, exchange)
        self.running = running
        self.owed_steps = 0.0
        """In the running mode, steps which the clock asks for and the machine has not managed yet."""
        self._moving = asyncio.Lock()

    def made(self) -> dict[str, int]:
        """Messages made by each venue, heard or not."""
        return {name: one.made for name, one in self.venues.items()}

    def _advance(self) -> None:
        step = self.market.step()
        for one in self.venues.values():
            one.on_time(step.time_us)
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
            for one in self.venues.values():
                one.finish()
                one.release()
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
        at = self.venues.get(fault.venue)
        if at is None:
            raise ValueError(f"venue {fault.venue!r} is not simulated here; there are {', '.join(self.venues)}")
        if fault.symbol is not None:
            names = {each.instrument.wire_symbol: symbol for symbol, each in at.listings.items()}
            fault.symbol = names.get(fault.symbol, fault.symbol)
            if fault.symbol not in at.listings:
                raise ValueError(f"symbol {fault.symbol!r} is not listed at {fault.venue}")
        self.faults.arm(fault)
        if fault.kind in AT_ONCE_KINDS:
            if fault.kind == "shutdown":
                at.announce_shutdown()
            else:
                await at.disconnect(fault)
        return fault

    def _flush(self) -> None:
        for one in self.venues.values():
            one.flush()

    async def _drain(self, limit: int) -> None:
        """Wait until no client leaves more than `limit` bytes untaken; end those that do not move for long."""
        deadline = self._clock() + LONGEST_DRAIN_SECONDS
        # A transport tells nobody that its buffer has emptied, hence the polling.
        while any(each.backlog() > limit for one in self.venues.values() for each in one.connections.values()):
            if self._clock() > deadline:
                for one in self.venues.values():
                    one.drop_slow(limit)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)

    async def run(self) -> None:
        """Follow the clock while running: as many steps as market time has passed; runs until cancelled."""
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
            for one in self.venues.values():
                one.drop_slow(self.settings.slow_client_bytes)
