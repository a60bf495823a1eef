"""`python -m simulator`: serve a market until SIGTERM or SIGINT; the first line printed is JSON with the addresses."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

from simulator.catalogue import all_venues
from simulator.instruments import some_bases
from simulator.server import Simulator
from simulator.settings import SimulatorSettings


def venue_port(text: str) -> tuple[str, int]:
    """Read `VENUE=PORT`. Raises argparse.ArgumentTypeError."""
    venue, _, port = text.rpartition("=")
    if venue not in all_venues() or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not VENUE=PORT with one of {', '.join(all_venues())}")
    return venue, int(port)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    defaults = SimulatorSettings()
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="frames per second, all venues and streams")
    parser.add_argument("--symbols", default="BTC,ETH", help="base currencies, or a number of them")
    parser.add_argument("--venues", default=",".join(defaults.venues), help=f"some of {', '.join(all_venues())}; default all")
    parser.add_argument("--speed", type=float, default=defaults.speed, help="market seconds per second")
    parser.add_argument("--levels", type=int, default=defaults.levels, help="levels on each side of a book")
    parser.add_argument("--trade-share", type=float, default=defaults.trade_share, help="share of steps that trade")
    parser.add_argument("--start-us", type=int, default=None, help="first microsecond of the market; default now")
    parser.add_argument("--history", type=int, default=defaults.history, help="book changes that can be undone")
    parser.add_argument("--orders", action="store_true", help="remember changes of single orders, for /truth/orders at the control address")
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--allowed-hosts", default="", help="names of this host, beside those of loopback, that requests may use")
    parser.add_argument("--port", type=venue_port, action="append", default=[], metavar="VENUE=PORT", help="else a free one")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--paused", action="store_true", help="wait for POST /resume or /step at the control address")
    return parser.parse_args(argv)


def settings(given: argparse.Namespace) -> SimulatorSettings:
    """Read settings from the command line."""
    symbols = str(given.symbols)
    return SimulatorSettings(
        seed=given.seed,
        bases=some_bases(int(symbols)) if symbols.isdigit() else tuple(symbols.split(",")),
        venues=tuple(given.venues.split(",")),
        rate=given.rate,
        speed=given.speed,
        levels=given.levels,
        trade_share=given.trade_share,
        start_us=given.start_us,
        history=given.history,
        orders=given.orders,
        host=given.host,
        allowed_hosts=tuple(filter(None, given.allowed_hosts.split(","))),
        ports=dict(given.port),
        control_port=given.control_port,
    )


async def serve(given: argparse.Namespace) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(settings(given), running=not given.paused) as simulator:
        print(json.dumps(simulator.addresses), flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
