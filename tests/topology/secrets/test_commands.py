"""`tidewire secrets …` as an operator types it, on the local store and on a real Vault, with canaries for secrets.

Most commands run inside this process, because starting one takes longer than its work; those that are about the process are processes.
"""

import json
import os
import pty
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.command_line import app
from producers.spill import Spill
from tests.producers.sealed import keyed
from tests.topology.secrets.test_validation import KEY, SECRET, Exchanges, exchanges
from topology.secrets.opening import open_store, open_wrapping
from topology.secrets.settings import Secrets
from topology.settings import settings

__all__ = ["exchanges"]
COMMAND = [sys.executable, "-m", "console.command_line", "secrets"]
CANARIES = (SECRET, "canary-words", KEY)
GIVEN = json.dumps({"api_key": KEY, "api_secret": SECRET, "passphrase": "canary-words"})


class Operator:
    """Somebody at a shell; keeps everything that was printed."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEWIRE_", "VAULT_"))}
        self.environment = kept | environment | {
            "TIDEWIRE_STATE_DIR": str(folder / "state"),
            "TIDEWIRE_SECRETS__FOLDER": str(folder / "secrets"),
            "TIDEWIRE_SECRETS__KEY_FILE": str(folder / "key"),
            "TIDEWIRE_SECRETS__AUDIT_QUEUE": str(folder / "audit.jsonl"),
            "COLUMNS": "200",
        }  # fmt: skip
        self.folder = folder
        self.printed = ""

    @property
    def secrets(self) -> Secrets:
        """The store's settings, as this operator has them."""
        with self._surroundings():
            return settings().secrets

    def type(self, *words: str, given: str = "", code: int = 0) -> str:
        """Run a command here; what it printed."""
        out, error = self._run(words, given, code)
        return out + error

    def start(self, *words: str, code: int = 0) -> str:
        """Run a command as a process; what it printed."""
        ended = subprocess.run(
            [*COMMAND, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.environment, cwd=self.folder, check=False
        )
        self.printed += ended.stdout + ended.stderr
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def records(self, *words: str, given: str = "") -> list[dict[str, object]]:
        """Run a command with --json; its objects."""
        return [json.loads(line) for line in self._run((*words, "--json"), given, 0)[0].splitlines()]

    def _run(self, words: tuple[str, ...], given: str, code: int) -> tuple[str, str]:
        with self._surroundings():
            ended = CliRunner().invoke(app, ["secrets", *words], input=given)
        error = ended.stderr
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            error += "".join(traceback.format_exception(ended.exception))
        self.printed += ended.stdout + error
        assert ended.exit_code == code, ended.stdout + error
        return ended.stdout, error

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        settings.cache_clear()
        open_store.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in os.environ:
                if name not in self.environment:
                    patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield
        settings.cache_clear()

    def found(self) -> list[str]:
        """Return the canaries that stand in anything printed or written here."""
        texts = [self.printed.encode(), *(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())]
        return [canary for canary in CANARIES if any(canary.encode() in text for text in texts)]


@pytest.fixture(params=["local", "vault"])
def operator_at(request: pytest.FixtureRequest, tmp_path: Path, exchanges: Exchanges) -> Iterator[Operator]:
    """Sit an operator at each provider in turn; the exchanges are the simulated ones."""
    venues = {name: {"rest": exchanges.address} for name in ("binance", "kraken")}
    environment = {"TIDEWIRE_VENUES": json.dumps(venues)}
    if request.param == "vault":
        mounted: Secrets = request.getfixturevalue("mounted")
        environment |= {
            "VAULT_ADDR": mounted.address,
            "VAULT_TOKEN": mounted.token.get_secret_value(),
            "TIDEWIRE_SECRETS__MOUNT": mounted.mount,
        }
    made = Operator(tmp_path, environment)
    made.type("init")
    yield made
    assert made.found() == []


def test_a_key_from_first_to_last(operator_at: Operator, exchanges: Exchanges) -> None:
    """Put, list, show, validate, rotate, history and revoke each say what they did and where, and never a value."""
    exchanges.add("kraken", "read")
    kraken = ("kraken", "mainnet")
    assert "wrote version 1 of kraken/mainnet in the" in operator_at.type("put", *kraken, "--stdin", given=GIVEN)
    [row] = operator_at.records("list")
    assert (row["credential"], row["version"], row["validated"]) == ("kraken/mainnet", 1, "never")
    shown = operator_at.records("show", *kraken)
    assert shown[0]["api_secret"] == "…" + SECRET[-4:]
    assert "may be used: may read" in operator_at.type("validate", *kraken)
    assert "wrote version 2 of kraken/mainnet" in operator_at.type("rotate", *kraken, "--stdin", given=GIVEN)
    [row] = operator_at.records("list")
    assert (row["version"], row["usable"], row["said"]) == (2, "yes", "may read")
    assert "version 1 of kraken/mainnet is destroyed in the" in operator_at.type("revoke", *kraken, "--version", "1", "--yes")
    actions = [(one["action"], one["success"]) for one in operator_at.records("history", *kraken) if "action" in one]
    assert [action for action, _ in actions].count("read") == 3
    assert {"write", "read", "validate", "revoke"} <= {str(action) for action, _ in actions}
    assert all(good for _, good in actions)


def test_a_bad_new_key_is_not_written(operator_at: Operator, exchanges: Exchanges) -> None:
    """A key that may withdraw is refused by rotate unless that is named; nothing is written, the refusal is in the history."""
    exchanges.add("binance", "read")
    operator_at.type("put", "binance", "mainnet", "--stdin", given=GIVEN)
    exchanges.add("binance", "read", "withdraw")
    told = operator_at.type("rotate", "binance", "mainnet", "--stdin", given=GIVEN, code=1)
    assert "nothing was written, version 1 stays" in told
    assert operator_at.records("list")[0]["version"] == 1
    assert "refuse" in operator_at.type("history", "binance")
    named = ("--permissions", "read,withdraw")
    assert "wrote version 2" in operator_at.type("rotate", "binance", "mainnet", "--stdin", *named, given=GIVEN)
    exchanges.accounts.end("binance", KEY)
    assert "must not be used: binance refuses it" in operator_at.type("validate", "binance", "mainnet", code=1)


def test_preparing_again_changes_nothing(operator_at: Operator) -> None:
    """The second `init` says that there was nothing to do, and where."""
    assert "nothing to do" in operator_at.type("init")


@pytest.mark.parametrize("command", [("put", "kraken", "mainnet"), ("rotate", "kraken", "mainnet"), ("set", "kafka", "password")])
def test_a_secret_is_never_an_argument(operator_at: Operator, command: tuple[str, ...]) -> None:
    """A surplus argument is refused without being repeated, with the advice to think of it as known."""
    told = operator_at.type(*command, SECRET, code=2)
    assert "a secret is never an argument" in told


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "no JSON object"),
        (SECRET, "no JSON object"),
        (json.dumps({"api_key": KEY}), "api_secret: Field required"),
        (json.dumps({"api_key": KEY, "api_secret": SECRET, "secret_key": SECRET}), "secret_key"),
    ],
)
def test_wrong_input_is_named_and_nothing_written(operator_at: Operator, given: str, words: str) -> None:
    """What is wrong with the input is said by field; nothing was written, no value shown."""
    assert words in operator_at.type("put", "kraken", "mainnet", "--stdin", given=given, code=1)
    assert operator_at.records("list") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_key": "a\nb"}, "api_key holds a space or a line end"),
        ({"api_key": "k\u0435y"}, "api_key holds a letter beyond ASCII"),
        ({"api_secret": SECRET + "\0"}, "api_secret holds a character that can't be seen"),
        ({"passphrase": "\x1b[2J"}, "passphrase holds a character that can't be seen"),
        ({"api_secret": ["x"]}, "api_secret: Input should be a valid string"),
        ({"rate_limits": "x"}, "rate_limits: Input should be"),
    ],
)
def test_odd_parts_of_a_key_are_refused(operator_at: Operator, change: dict[str, object], words: str) -> None:
    """What no exchange gives is refused when it is put, by the part's name and unshown, and nothing is written."""
    told = operator_at.type("put", "kraken", "mainnet", "--stdin", given=json.dumps(json.loads(GIVEN) | change), code=1)
    assert f"that is no credential: {words}" in told
    assert operator_at.records("list") == []


@pytest.mark.parametrize(
    "given", ["[" * 100_000, '{"password": ' * 100_000, '{"password": null}', '{"password": {}}', '{"password": true}']
)
def test_odd_input_of_a_field_is_refused(operator_at: Operator, given: str) -> None:
    """Input that is no JSON object, however deep, or holds neither text nor a number, is one clear error; nothing is written."""
    told = operator_at.type("set", "kafka", "password", "--stdin", given=given, code=1)
    last = told.splitlines()[-1]
    assert "no JSON object" in last or "text or a number is wanted" in last


@pytest.mark.parametrize("words", [("..", "password"), ("kafka\n", "password"), ("kafka", "pass\x1b[2Jword"), ("kafka", "p" * 5_000)])
def test_odd_names_are_refused_before_anything_is_asked(operator_at: Operator, words: tuple[str, str]) -> None:
    """A path or field that is no name is refused before its value is asked for, in words that command no terminal."""
    told = operator_at.type("set", *words, code=1).splitlines()[-1]
    assert "is no path of a secret" in told or "is no name of a field" in told
    assert told.isprintable()
    assert len(told) < 500


def test_a_restored_backup_is_taken_when_told(operator_at: Operator) -> None:
    """An older file put back is refused by each command with the cure; `accept` says what that means, asks, and takes it."""
    operator_at.type("put", "kraken", "mainnet", "--stdin", given=GIVEN)
    if operator_at.secrets.address:
        assert "only the local store" in operator_at.type("accept", "--yes", code=1)
        return
    file = operator_at.folder / "secrets" / "credentials" / "kraken" / "mainnet.json"
    older = file.read_bytes()
    operator_at.type("revoke", "kraken", "mainnet", "--version", "1", "--yes")
    file.write_bytes(older)
    operator_at.type("put", "binance", "mainnet", "--stdin", given=GIVEN)
    assert "older one that was put back" in operator_at.type("show", "kraken", "mainnet", code=1)
    listed = operator_at.type("list", code=1)
    assert "secrets accept" in listed
    assert "binance/mainnet" in listed
    said = operator_at.type("accept", given="n\n", code=1)
    assert "its file is of change 1, change 2 is known of it; newest version 1; with a value: 1" in said
    assert "Values that were revoked after they were written come back" in said
    assert "older one" in operator_at.type("show", "kraken", "mainnet", code=1)
    assert "took 1 files as they are" in operator_at.type("accept", given="y\n")
    assert operator_at.records("show", "kraken", "mainnet")[0]["version"] == 1
    assert "took 0 files" in operator_at.type("accept")
    assert ("credentials/kraken/mainnet", "other") in [(one["credential"], one["action"]) for one in operator_at.records("history")]


def test_without_a_terminal_it_says_how_to_pipe(operator_at: Operator) -> None:
    """Where nobody can be asked, the command ends and names --stdin."""
    assert "--stdin" in operator_at.type("put", "kraken", "mainnet", code=1)


def test_a_password_for_a_setting(operator_at: Operator) -> None:
    """`set` writes one field, keeps the others, and says how a setting takes it."""
    given = json.dumps({"password": SECRET})
    assert "vault:kafka#password" in operator_at.type("set", "kafka", "password", "--stdin", given=given)
    operator_at.type("set", "kafka", "user", "--stdin", given=json.dumps({"user": "tidewire"}))
    code = "from topology.settings import settings; s = settings(); print(s.kafka.sasl_username, len(s.kafka.sasl_password), s.kafka)"
    environment = operator_at.environment | {
        "TIDEWIRE_KAFKA__SASL_PASSWORD": "vault:kafka#password",
        "TIDEWIRE_KAFKA__SASL_USERNAME": "vault:kafka#user",
    }
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=operator_at.folder, check=True
    )
    assert ended.stdout.startswith(f"tidewire {len(SECRET)} ")
    assert SECRET not in ended.stdout + ended.stderr


def test_spill_files_are_rewrapped(operator_at: Operator) -> None:
    """`rewrap` says what it did for each producer, names a file that it could not do, and what runs; without files it says so."""
    assert "nothing to do" in operator_at.type("rewrap")
    spills = operator_at.folder / "state" / "spill"
    with keyed(open_wrapping(operator_at.secrets, "kraken")) as keys:
        left = Spill(spills / "kraken", "1", 1_000_000, sealing=keys)
        left.append([(b"key", SECRET.encode())])
        left.close()
        running = Spill(spills / "binance", "1", 1_000_000, sealing=keys)
        assert "kraken: 1 files rewrapped, 0 are not sealed" in operator_at.type("rewrap")
        assert [one["rewrapped"] for one in operator_at.records("rewrap") if "rewrapped" in one] == [0, 1]
        assert "is a running producer's and was left alone" in operator_at.type("rewrap")
        running.close()
    [path] = spills.rglob("*.spill")
    path.write_bytes(path.read_bytes()[:30] + b"?" + path.read_bytes()[31:])
    assert "stays as it was: its header was altered" in operator_at.type("rewrap", code=1)


def test_asked_without_echo(operator_at: Operator) -> None:
    """At a terminal each part is asked for, and what is typed is not shown."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "put", "kraken", "mainnet"],
        stdin=follower, stdout=follower, stderr=follower, env=operator_at.environment, cwd=operator_at.folder, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(follower)
        shown = b""
        for question, typed in (("api_key", KEY), ("api_secret", SECRET), ("passphrase", "canary-words")):
            while question.encode() not in shown:
                shown += os.read(leader, 1_000)
            os.write(leader, typed.encode() + b"\n")
        while b"wrote version 1" not in shown:
            shown += os.read(leader, 1_000)
        assert process.wait(30) == 0
    os.close(leader)
    assert not any(canary.encode() in shown for canary in CANARIES)


def test_crashes_show_no_value(operator_at: Operator) -> None:
    """With every log at debug level and the store unreachable, refused or broken, tracebacks included, no value is printed."""
    operator_at.type("put", "kraken", "mainnet", "--stdin", given=GIVEN)
    operator_at.environment |= {"TIDEWIRE_LOG__LEVEL": "debug", "PYTHONFAULTHANDLER": "1", "PYTHONDEVMODE": "1"}
    away = {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": SECRET}
    before = operator_at.environment
    operator_at.environment = before | away
    assert "no Vault answers at http://127.0.0.1:9" in operator_at.start("show", "kraken", "mainnet", code=1)
    operator_at.environment = before | {"VAULT_ADDR": "", "TIDEWIRE_SECRETS_KEY": SECRET[:-1] + "!"}
    assert "is no key" in operator_at.start("show", "kraken", "mainnet", code=1)
    operator_at.environment = before | {"TIDEWIRE_SECRETS__TOKN": SECRET}
    assert "tokn" in operator_at.start("list", code=1)
    operator_at.environment = before
