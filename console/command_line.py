"""`tidewire`: one command line for everything. Each command's work is in console/commands; imports wait until it is asked for."""

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.commands.secrets import app as secrets_app
from console.sql_argument import SqlCommand
from dialects.catalogue import all_dialects
from topology.errors import TidewireError
from topology.terminal import printable

app = typer.Typer(
    name="tidewire",
    help="Event streaming for crypto market data on Kafka: every tick, every gap, on one wire.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


app.add_typer(secrets_app)

VENUES = ", ".join(all_dialects())
BY_DEFAULT = tuple(name for name, dialect in all_dialects().items() if dialect.by_default)
MOST_SECONDS = 1e9
MOST_RATE = 1e6
Json = Annotated[bool, typer.Option("--json", help="Print an object a line.")]


def _finite(value: float) -> float:
    """Return a number of the command line that is one; `inf` and `nan` are numbers to who reads it, and nobody means them."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number of anything")
    return value


def _version(asked: bool) -> None:
    """Print name and version and end, where that is asked for."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"tidewire {version('tidewire')}")
        except PackageNotFoundError:
            print("tidewire, of no version: it runs from a folder into which it was not installed")
        raise typer.Exit


@app.callback()
def tidewire(
    _asked: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print name and version, and end.")] = False,
) -> None:
    """Event streaming for crypto market data on Kafka: every tick, every gap, on one wire."""


@app.command()
def up(
    simulated: Annotated[bool, typer.Option("--simulated", help="Use the simulator even where the exchanges can be reached.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Clear Tidewire's state folder first: topics, tables, all but secrets.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of the live page (as without a terminal).")] = False,
    duration: Annotated[
        float, typer.Option(help="End after so many seconds and print a JSON summary.", min=0, max=MOST_SECONDS, callback=_finite)
    ] = 0,
    stages: Annotated[str, typer.Option(help="Only these stages, by name: producers,normalise,clickhouse …")] = "",
    venues: Annotated[
        str, typer.Option(help=f"Only these venues, of {VENUES}. Else those of the settings, or {', '.join(BY_DEFAULT)}.")
    ] = "",
    symbols: Annotated[str, typer.Option(help="Only these markets, in any spelling: BTC/USDT,ETH-USD,SOL …")] = "",
    rate: Annotated[
        float, typer.Option(help="Frames per second of the simulator, over all venues.", min=1, max=MOST_RATE, callback=_finite)
    ] = 300,
) -> None:
    """Start everything on this machine and show it: servers, exchanges (or the simulator), every stage.

    Servers whose address a setting names (TIDEWIRE_KAFKA__BROKERS, TIDEWIRE_REGISTRY__URL, TIDEWIRE_CLICKHOUSE__URL) are used
    as they are; the others are started, embedded, with their data in the state folder (TIDEWIRE_STATE_DIR).
    Ctrl-C stops everything in order and loses nothing.
    """
    from console.commands.up import up as run_up
    from local.supervisor import Options
    from topology.settings import settings

    options = Options(
        simulated=simulated,
        fresh=fresh,
        stages=_list(stages, "--stages"),
        venues=_list(venues, "--venues"),
        symbols=_list(symbols, "--symbols"),
        rate=rate,
    )
    raise typer.Exit(run_up(settings(), options, plain=plain, duration=duration))


@app.command()
def run(
    stage: Annotated[str, typer.Argument(help="Its name: producers, normalise, build_candles, detect_gaps, rebuild_books, clickhouse.")],
    venues: Annotated[list[str] | None, typer.Argument(help=f"For `producers`, its venues, one or several: {VENUES}.")] = None,
) -> None:
    """Run one stage as this process, until SIGTERM or Ctrl-C: what compose and Kubernetes start.

    Run it again, here or on another machine, to share its work. The servers are those of the settings, else the embedded
    ones of a `tidewire up` in the same state folder.
    """
    from console.commands.run import run as run_stage
    from topology.secrets.audit import act_as
    from topology.settings import settings

    names = tuple(dict.fromkeys(venues or ()))
    act_as(stage, names[0] if len(names) == 1 else "")
    run_stage(settings(), stage, names)


@app.command()
def topics(
    as_json: Json = False,
    create: Annotated[
        bool, typer.Option("--create", help="First make those that are not there, the states' too, and register the schemas.")
    ] = False,
) -> None:
    """List every topic: the event it carries, key, who writes and reads it, and how many messages it holds."""
    from console.commands.show import answer
    from console.commands.topics import create as create_all
    from console.commands.topics import topics as all_topics
    from topology.addresses import embedded, located, merged
    from topology.settings import settings

    if create:
        for change in create_all(located(settings(), "kafka", "registry")):
            print(change, file=sys.stderr)

    found = all_topics(merged(settings(), embedded(settings())))
    if not as_json:
        found = [one | {"written_by": " ".join(one["written_by"]), "read_by": " ".join(one["read_by"])} for one in found]
        for one in found:
            del one["meaning"], one["event"]
    answer(list(found[0]), [list(one.values()) for one in found], as_json=as_json)


@app.command()
def acls(
    role: Annotated[str, typer.Argument(help="Only of this stage or role: normalise, producers-kraken, topics, onlooker …")] = "",
    user: Annotated[str, typer.Option(help="The user that gets them; else one called like the role.")] = "",
    as_commands: Annotated[bool, typer.Option("--commands", help="Print the commands of Kafka's own tool, kafka-acls.sh.")] = False,
    as_json: Json = False,
) -> None:
    """List what each stage must be allowed at the brokers, and nothing else: least privilege, drawn from the flow.

    `topics` is whoever makes topics (`tidewire topics --create`), `onlooker` whoever reads lag. Stages that make their topics themselves
    (kafka.manage_topics is create) need more: say TIDEWIRE_KAFKA__MANAGE_TOPICS=verify to see what they need without.
    So do producers that share a venue's symbols (producer.shared): Read on a group of their own.
    """
    from console.commands.acls import chosen
    from console.commands.show import answer
    from topology.grants import commands
    from topology.settings import settings

    found = chosen(role, settings().kafka.manage_topics, shared=settings().producer.shared)
    if as_commands:
        for one in found:
            print("\n".join(commands(one, user)))
        return
    rows = [[user or one.name, grant.kind, grant.name, grant.operation] for one in found for grant in one.grants]
    answer(["user", "resource", "name", "operation"], rows, as_json=as_json)


@app.command(cls=SqlCommand)
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT, in ClickHouse's SQL; tables are named like topics, raw frames are `frames`.")],
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a line of names.")] = False,
) -> None:
    r"""Ask ClickHouse, read-only: tidewire query "SELECT venue, count() FROM trades FINAL GROUP BY venue".

    In JSON, decimals, times and what is no finite number ("NaN", "Infinity") are text. Bytes that are no UTF-8 are shown as \xff.
    """
    from console.commands.query import query as ask
    from console.commands.show import answer
    from topology.settings import settings

    answer(*ask(settings(), sql), as_json=as_json, as_csv=as_csv)


class From(StrEnum):
    """Where `consume` begins."""

    earliest = "earliest"
    latest = "latest"


@app.command()
def consume(
    topic: Annotated[str, typer.Argument(help="The topic: trades, raw.binance, gaps … (`tidewire topics` lists them).")],
    begin: Annotated[From, typer.Option("--from", help="The oldest message there is, or only what comes from now on.")] = From.latest,
    limit: Annotated[int, typer.Option(help="Stop after so many messages; 0: never.", min=0)] = 0,
    follow: Annotated[bool, typer.Option(help="Wait for more at the end; --no-follow ends there, and goes with --from earliest.")] = True,
) -> None:
    """Print a topic's events as JSON lines, decoded through the schema registry; decimals as exact text, times in microseconds."""
    from console.commands.consume import consume as lines
    from topology.addresses import located
    from topology.settings import settings

    if not follow and begin is From.latest:
        raise typer.BadParameter("nothing comes before the end that it ends at: add --from earliest", param_hint="--no-follow")
    for line in lines(located(settings(), "kafka", "registry"), topic, begin.value, limit, follow=follow):
        print(printable(line), flush=True)


@app.command()
def candles(
    symbol: Annotated[str, typer.Argument(help="The market, in any spelling: BTC/USDT, BTCUSDT, btc-usdt.")],
    interval: Annotated[str, typer.Option(help="1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w or 1M.")] = "1m",
    venue: Annotated[str, typer.Option(help="Only this venue.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show a market's newest candles, oldest first; `provisional` ones are still open. Times are UTC."""
    from console.commands.show import answer
    from topology.addresses import located
    from topology.clickhouse import INTERVALS, Questions
    from topology.settings import settings

    if interval not in INTERVALS:
        raise typer.BadParameter(f"{interval!r} is no interval; there are {', '.join(INTERVALS)}", param_hint="--interval")
    questions = Questions(located(settings(), "clickhouse").clickhouse)
    columns, rows = questions.candles(symbol, interval, venue, limit)
    if not rows:
        markets = ", ".join(f"{one} {name}" for one, name in questions.markets()) or "no market"
        where = f" on {venue}" if venue else ""
        print(printable(f"no {interval} candle of {symbol}{where} yet; there are trades of {markets}"), file=sys.stderr)
    answer(columns, rows, as_json=as_json)


@app.command()
def gaps(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are open or being filled.")] = False,
    limit: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Show the ledger of gaps: what is or was missing, why, and how it was repaired. Times are UTC."""
    from console.commands.show import answer
    from topology.addresses import located
    from topology.clickhouse import Questions
    from topology.settings import settings

    columns, rows = Questions(located(settings(), "clickhouse").clickhouse).gaps(only_open=only_open, limit=limit)
    answer(columns, rows, as_json=as_json)


@app.command()
def record(
    venue: Annotated[str, typer.Argument(help=f"The venue: {VENUES}.")],
    out: Annotated[Path, typer.Option(help="The file to write, .jsonl.")],
    seconds: Annotated[float, typer.Option(help="How long; seconds.", min=0.1, max=MOST_SECONDS, callback=_finite)] = 10,
    direct: Annotated[
        bool, typer.Option("--direct", help="From the venue itself, on a connection of its own; else from its raw topic.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file, if there is one, once a frame has come.")] = False,
) -> None:
    """Record a venue's raw frames into a file, verbatim: a first line says from where and when, then one JSON line a frame.

    Where no frame comes nothing is written, and the exit code is 1.
    """
    from console.commands.record import record as run_record
    from topology.settings import settings

    count = run_record(settings(), venue, out, seconds, direct=direct, overwrite=overwrite)
    print(f"{count} frames in {out}" if count else f"no frame came within {seconds:g} s: nothing is written", file=sys.stderr)
    if not count:
        raise typer.Exit(1)


@app.command()
def rewind(
    stage: Annotated[str, typer.Argument(help="Its name: normalise, build_candles, detect_gaps, rebuild_books, clickhouse.")],
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete what the stage remembers too; else it passes over what it knows to have read.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a stopped stage read its topics again from the beginning, at its next start. Tables stay right: every event has an identity.

    Kafka must run and the stage must not: `tidewire up --stages` with all the other stages does that for the embedded one.
    """
    from console.commands.rewind import rewind as to_the_beginning
    from console.commands.show import answer
    from topology.addresses import located
    from topology.settings import settings

    again = to_the_beginning(located(settings(), "kafka"), stage, forget=forget)
    answer(["topic", "messages"], [list(one) for one in again.items()], as_json=as_json)


@app.command()
def doctor() -> None:
    """Look at everything that is needed (Python, Java, disk, servers, schemas, tables, exchanges, stages) and name the cures.

    Exit code 1 where something fails; warnings alone leave it 0.
    """
    from console.commands.doctor import doctor as examine
    from topology.settings import settings

    raise typer.Exit(examine(settings()))


def _list(text: str, option: str) -> tuple[str, ...]:
    """Return the parts of a list; none where the option is not given, a usage error where it is and names nothing."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if text and not parts:
        raise typer.BadParameter(f"{text!r} names nothing: leave the option out, or name one", param_hint=option)
    return parts


def main() -> None:
    """Run a command; what Tidewire raises on purpose is one line on stderr and exit code 1.

    Where whoever reads us (head, a pager) has had enough, typer ends quietly, with code 1.
    """
    try:
        app(prog_name="tidewire")
    except TidewireError as error:
        print(f"tidewire: {printable(str(error), lines=True)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
