"""Fixtures of tests/console and tests/local: the command line as a person meets it, and a stack that it finds by the state folder alone."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from console import command_line
from local import LocalStack
from tests.filled import fill
from tests.uncounted import uncounted_children
from topology import addresses, settings
from topology.settings import Settings


class Said(NamedTuple):
    """What a command answered: exit code, standard output, standard error."""

    code: int
    out: str
    error: str


Tidewire = Callable[..., Said]
"""Run `tidewire` with arguments; keywords are settings of its environment, without the prefix."""


@pytest.fixture(scope="session")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Start broker, registry and ClickHouse in a state folder of their own; return settings that name all four."""
    folder = tmp_path_factory.mktemp("own")
    stack = LocalStack(folder)
    with uncounted_children():
        stack.start()
    try:
        yield addresses.located(Settings(state_dir=folder))
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def filled(own_stack: Settings) -> Settings:
    """Return the settings of a stack that holds a little of everything."""
    fill(own_stack)
    return own_stack


@pytest.fixture
def tidewire(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Tidewire]:
    """Return what runs `tidewire` in this process, as its entry point does, in an empty state folder unless told of another."""
    for name in [name for name in os.environ if name.startswith("TIDEWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEWIRE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> Said:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(f"TIDEWIRE_{name}", value)
            patch.setattr(sys, "argv", ["tidewire", *arguments])
            settings.settings.cache_clear()
            try:
                command_line.main()
                code = 0
            except SystemExit as ending:
                code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    yield run
    settings.settings.cache_clear()


@pytest.fixture
def ask(tidewire: Tidewire, filled: Settings) -> Tidewire:
    """Return what runs `tidewire` in the state folder of the stack: no address is named."""

    def run(*arguments: str, **environment: str) -> Said:
        return tidewire(*arguments, STATE_DIR=str(filled.state_dir), **environment)

    return run
