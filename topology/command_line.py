"""`tidewire`: one command line for everything. Each command's work is in topology/commands; imports wait until it is asked for."""

import sys
from typing import Annotated

import typer

from topology.errors import TidewireError

app = typer.Typer(
    name="tidewire",
    help="Event streaming for crypto market data on Kafka: every tick, every gap, on one wire.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def tidewire() -> None:
    """Event streaming for crypto market data on Kafka: every tick, every gap, on one wire."""


@app.command()
def up(
    simulated: Annotated[bool, typer.Option("--simulated", help="Use the simulator even where the exchanges can be reached.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Clear the state folder first: topics, tables, everything.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of the live page (as without a terminal).")] = False,
    duration: Annotated[float, typer.Option(help="End by itself after so many seconds and print one JSON summary.", min=0)] = 0,
    stages: Annotated[str, typer.Option(help="Only these stages, by name: producers,normalise,clickhouse …")] = "",
    symbols: Annotated[str, typer.Option(help="Only these markets, in any spelling: BTC/USDT,ETH-USD,SOL …")] = "",
    rate: Annotated[float, typer.Option(help="Frames per second of the simulator, over all venues.", min=1)] = 300,
) -> None:
    """Start everything on this machine and show it: servers, exchanges (or the simulator), every stage.

    Servers whose address a setting names (TIDEWIRE_KAFKA__BROKERS, TIDEWIRE_REGISTRY__URL, TIDEWIRE_CLICKHOUSE__URL) are used
    as they are; the others are started, embedded, with their data in the state folder (TIDEWIRE_STATE_DIR).
    Ctrl-C stops everything in order and loses nothing.
    """
    from topology.commands.up import up as run_up
    from topology.settings import settings
    from topology.supervisor import Options

    options = Options(simulated=simulated, fresh=fresh, stages=_list(stages), symbols=_list(symbols), rate=rate)
    raise typer.Exit(run_up(settings(), options, plain=plain, duration=duration))


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def main() -> None:
    """Run a command; what Tidewire raises on purpose is one line on stderr and exit code 1."""
    try:
        app()
    except TidewireError as error:
        print(f"tidewire: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
