"""The real broker, schema registry and ClickHouse: one set for a run, however many workers it has, started when a test first asks.

A worker that asks leaves a file; who has the workers starts the set and leaves another with its addresses. Tests take topics, groups,
subjects and databases of names of their own, so that they do not meet.
"""

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from local import Addresses, LocalStack
from tests import containers
from tests.uncounted import uncounted_children

SETTINGS: Final = {
    "kafka": "TIDEWIRE_TEST_KAFKA",
    "registry": "TIDEWIRE_TEST_REGISTRY",
    "clickhouse": "TIDEWIRE_TEST_CLICKHOUSE",
}
WANTED, ADDRESSES, FAILED = "wanted", "addresses.json", "failed"
LOOK_SECONDS = 0.05


@contextmanager
def running(folder: Path) -> Iterator[Addresses]:
    """Give Kafka (host:port), schema registry and ClickHouse (base URLs), as long as the block runs.

    An address in the environment is taken as it is. What is not given there is started: in containers where a Docker
    engine answers (unless TIDEWIRE_TEST_STACK=embedded), else from the embedded stack, with its data in `folder`.
    """
    given = {part: os.environ[name] for part, name in SETTINGS.items() if os.environ.get(name)}
    missing = tuple(part for part in SETTINGS if part not in given)
    if not missing:
        yield Addresses(**given)
    elif os.environ.get("TIDEWIRE_TEST_STACK") != "embedded" and containers.docker_answers():
        with containers.running(missing) as addresses:
            yield replace(addresses, **given)
    else:
        stack = LocalStack(folder)
        try:
            with uncounted_children():
                started = stack.start(missing)
            yield replace(started, **given)
        finally:
            stack.stop()


class SharedStack:
    """The set of a run in several workers, held by the process that has them; `folder` is what they ask in."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="tidewire-tests-")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="stack of the tests")
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where workers ask, and are answered."""
        return Path(self._place.name)

    def close(self) -> None:
        """Stop it, where it was started."""
        self._ending.set()
        self._thread.join()
        self._place.cleanup()

    def _serve(self) -> None:
        while not (self.folder / WANTED).exists():
            if self._ending.wait(LOOK_SECONDS):
                return
        try:
            with running(self.folder / "stack") as addresses:
                _place(self.folder / ADDRESSES, json.dumps(asdict(addresses), default=str))
                self._ending.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            _place(self.folder / FAILED, f"{type(error).__name__}: {error}")


def asked_for(folder: Path) -> Addresses:
    """Ask for a run's set and wait for it. Raises RuntimeError with what kept it from starting."""
    (folder / WANTED).touch()
    while not (folder / ADDRESSES).exists():
        if (folder / FAILED).exists():
            raise RuntimeError(f"the servers of the tests did not start: {(folder / FAILED).read_text()}")
        time.sleep(LOOK_SECONDS)
    return Addresses(**json.loads((folder / ADDRESSES).read_text()))


def _place(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
