"""`tidewire secrets …`: the commands as people type them. Their work is in console/commands/secrets_work.py.

No command takes a secret as an argument: it would stand in the shell's history and the process list. Secrets are asked for without
echo, or read from standard input as one JSON object with --stdin.
"""

import sys
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Literal

import typer

from topology.secrets import exchanges

app = typer.Typer(
    name="secrets",
    help="Keys of exchanges and passwords of servers: in a Vault where secrets.address is set, else in the encrypted local store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print an object a line.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read one JSON object of the fields from standard input instead of asking.")]
EXCHANGES = ", ".join(entry.name for entry in iter_modules(exchanges.__path__))
Exchange = Annotated[str, typer.Argument(help=f"The exchange: {EXCHANGES}.")]
Net = Annotated[str, typer.Argument(help="mainnet or testnet.")]
Permissions = Annotated[
    str, typer.Option(help="What the key is for: read,trade,transfer,withdraw. A key that can withdraw is refused unless this names it.")
]
SURPLUS = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def init(
    audit_file: Annotated[str, typer.Option(help="Add a file audit device: this path on the Vault's own machine.")] = "",
    as_json: Json = False,
) -> None:
    """Prepare the store, and print what was changed; run again, it changes nothing.

    In a Vault: the KV mount, transit keys, AppRole logins, one least-privilege policy and role for each stage, the audit device.
    Locally: the key file.
    """
    from console.commands.secrets_work import command_context, initialise

    with command_context(as_json) as at:
        initialise(at, audit_file)


@app.command(context_settings=SURPLUS)
def put(
    context: typer.Context,
    exchange: Exchange,
    environment: Net,
    permissions: Permissions = "read",
    stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Write a key: a first one, or a new version. Nothing is validated: `tidewire secrets validate` does, `rotate` does it first."""
    from console.commands.secrets_work import command_context, credential, write

    refuse(context)
    with command_context(as_json) as at:
        write(at, credential(exchange, net(environment), permissions, from_stdin=stdin))


@app.command(name="set", context_settings=SURPLUS)
def set_field(
    context: typer.Context,
    path: Annotated[str, typer.Argument(help="Path of the secret: kafka, registry, clickhouse …")],
    field: Annotated[str, typer.Argument(help="Its field: password …")],
    stdin: Stdin = False,
    as_json: Json = False,
) -> None:
    """Write one field of any secret, asked for without echo; a setting then takes it by vault:PATH#FIELD."""
    from console.commands.secrets_work import command_context, set_one

    refuse(context)
    with command_context(as_json) as at:
        set_one(at, path, field, from_stdin=stdin)


@app.command(name="list")
def list_all(as_json: Json = False) -> None:
    """List every credential: versions, who wrote the newest, when, and what its last validation said. Nothing is opened.

    Exit code 1 where one is there and can't be read; its line says why.
    """
    from console.commands.secrets_work import command_context, listed

    with command_context(as_json) as at:
        good = listed(at)
    raise typer.Exit(0 if good else 1)


@app.command()
def show(exchange: Exchange, environment: Net, as_json: Json = False) -> None:
    """Show one credential, masked: the last four characters of each part, its versions, who, when, last validated."""
    from console.commands.secrets_work import command_context, shown

    with command_context(as_json) as at:
        shown(at, exchange, net(environment))


@app.command()
def validate(exchange: Exchange, environment: Net, as_json: Json = False) -> None:
    """Ask the exchange what the newest version may do, and keep its answer beside it. Exit code 1 where it may not be used."""
    from console.commands.secrets_work import command_context, validated

    with command_context(as_json) as at:
        good = validated(at, exchange, net(environment))
    raise typer.Exit(0 if good else 1)


@app.command(context_settings=SURPLUS)
def rotate(
    context: typer.Context, exchange: Exchange, environment: Net, permissions: Permissions = "", stdin: Stdin = False, as_json: Json = False
) -> None:
    """Put a new key in place of the old: validated first, written only if it may be used. Running stages take it up within 5 s.

    The old version stays readable for stages that have not yet, until `tidewire secrets revoke`.
    """
    from console.commands.secrets_work import command_context, rotated

    refuse(context)
    with command_context(as_json) as at:
        good = rotated(at, exchange, net(environment), permissions, from_stdin=stdin)
    raise typer.Exit(0 if good else 1)


@app.command()
def history(
    exchange: Annotated[str, typer.Argument(help="The exchange; none: every secret.")] = "",
    environment: Annotated[str, typer.Argument(help="mainnet or testnet.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Show who did what with a secret, newest first: from ClickHouse, and what still waits on this machine. Times are UTC."""
    from console.commands.secrets_work import command_context, told

    with command_context(as_json) as at:
        told(at, exchange, net(environment) if environment else None, limit)


@app.command()
def revoke(
    exchange: Exchange,
    environment: Net,
    version: Annotated[int, typer.Option(help="Which version.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Destroy one version's value for ever; its metadata stays. End the key at the exchange too: this can't."""
    from console.commands.secrets_work import command_context, revoked

    if not yes:
        typer.confirm(f"Destroy version {version} of {exchange}/{environment} for ever?", abort=True, err=True)
    with command_context(as_json) as at:
        revoked(at, exchange, net(environment), version)


@app.command()
def accept(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: Json = False) -> None:
    """Take the local store as it is now, after you have restored it from a backup or lost what notices that. Says first what would change.

    Each change of a secret is counted in its file and beside the store's key (or in the keyring). A file of an earlier count was put
    back, and is refused: a key that was revoked since would work again. This takes such files, and counts on from there; exit code 1
    where one can't be read.
    """
    from console.commands.secrets_work import accepted, command_context

    def agree(question: str) -> None:
        if not yes:
            typer.confirm(question, abort=True, err=True)

    with command_context(as_json) as at:
        good = accepted(at, agree)
    raise typer.Exit(0 if good else 1)


@app.command()
def deliver(
    role: Annotated[str, typer.Argument(help="The role: tidewire-producers-kraken, tidewire-clickhouse …")],
    out: Annotated[Path, typer.Option(help="File for the wrapping token, good for one use; secrets.wrapped_secret_id_file of the stage.")],
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Destroy every earlier secret_id of the role first.")] = False,
    as_json: Json = False,
) -> None:
    """Give a stage what it logs in to the Vault with: prints its role_id, writes a wrapping token of its secret_id into a file."""
    from console.commands.secrets_work import command_context, delivered

    with command_context(as_json) as at:
        delivered(at, role, out, withdraw_first=withdraw)


@app.command()
def rewrap(as_json: Json = False) -> None:
    """Wrap the keys of sealed spill files on this machine by the transit key's newest version. Exit code 1 where a file can't be.

    After `vault write -f transit/keys/NAME/rotate`, and before old versions are ended. A running producer's files are left alone.
    """
    from console.commands.secrets_work import command_context, rewrapped

    with command_context(as_json) as at:
        good = rewrapped(at)
    raise typer.Exit(0 if good else 1)


def net(text: str) -> Literal["mainnet", "testnet"]:
    """Return an environment; a usage error names the two."""
    if text == "mainnet":
        return "mainnet"
    if text == "testnet":
        return "testnet"
    raise typer.BadParameter("mainnet or testnet", param_hint="ENVIRONMENT")


def refuse(context: typer.Context) -> None:
    """End with a usage error where there are more arguments than wanted, which may be secrets, without repeating them."""
    if context.args:
        print(
            "tidewire: a secret is never an argument; now it stands in your shell's history, so think of it as known. "
            "Run the command without it: you will be asked",
            file=sys.stderr,
        )
        raise typer.Exit(2)
