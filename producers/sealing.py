"""The data keys of a producer's spill files: had before they are needed, by a thread, so that no frame waits for the Vault.

A new key is asked for at the start and then hourly; while the Vault is away the one in memory serves on. Before the first key
nothing is written: it would stand on disk in plain text. The keys of files that another producer left are unwrapped when asked for,
with patience; sealed files are read so whether or not new ones are sealed.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from topology.errors import Fatal, Retry, TidewireError
from topology.log import logger
from topology.metrics import retries
from topology.secrets.envelope import DataKey, Wrapping
from topology.secrets.errors import Damaged, Denied, Malformed
from topology.secrets.opening import open_wrapping
from topology.settings import Settings

KEY_SECONDS = 3_600.0
"""How long a data key serves."""
BEAT_SECONDS = 60.0
"""How often the login is seen to, when there is nothing else to do: far less than a Vault's token lives."""
RETRY_SECONDS = 2.0
"""How long to wait before asking again what was not answered."""
NEVER = (Malformed, Damaged, Denied)
"""What no patience helps with: this key did not wrap it, or we may not ask. Other errors are of the store and its login as a whole."""


class Sealing:
    """`with` keeps the keys while the producer runs; `seals` says whether new files are sealed. `clock` counts seconds.

    `open_wrapping` opens the store, in the thread, when first needed. All methods but those of `with` may be called at any time
    from any thread, and wait for nothing.
    """

    def __init__(self, venue: str, open_wrapping: Callable[[], Wrapping], *, seals: bool, clock: Callable[[], float]) -> None:
        self.seals = seals
        self._venue = venue
        self._open_wrapping = open_wrapping
        self._clock = clock
        self._wrapping: Wrapping | None = None
        self._key: DataKey | None = None
        self._since = 0.0
        self._wanted: list[bytes] = []
        self._unwrapped: dict[bytes, bytes | Fatal] = {}
        self._trouble = ""
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._over = False

    def __enter__(self) -> Self:
        if self.seals:
            self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the thread: it is not waited for where it waits for a Vault."""
        self._over = True
        self._wake.set()

    @property
    def key(self) -> DataKey | None:
        """The data key for a new file; None where there has been none yet."""
        return self._key

    def unwrapped(self, wrapped: bytes) -> bytes | None:
        """Return a data key's bytes; None where they are being asked for: ask again. Raises Fatal where this key never opens."""
        found = self._unwrapped.get(wrapped)
        if isinstance(found, Fatal):
            raise found
        if found is None and wrapped not in self._wanted:
            self._wanted.append(wrapped)
            self._start()
            self._wake.set()
        return found

    def status(self) -> str:
        """Return why frames can't be kept on disk or read from it, or nothing."""
        if self._thread is not None and not self._thread.is_alive() and not self._over:
            return "the thread that gets data keys has ended (a fault of the program: see the log)"
        if self.seals and self._key is None:
            return f"no data key yet to seal spill files with (producer.spill_sealed): {self._trouble or 'it is asked for'}"
        if self._wanted:
            return f"frames on disk wait for their data key: {self._trouble or 'it is asked for'}"
        return ""

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._over:
                return
            try:
                self._serve(self._wrapping or self._opened())
            except TidewireError as error:
                self._say(error)
                self._wake.wait(RETRY_SECONDS)
            else:
                if self._trouble:
                    self._trouble = ""
                    logger().info("data keys can be had again", venue=self._venue)
                self._wake.wait(BEAT_SECONDS)

    def _opened(self) -> Wrapping:
        self._wrapping = self._open_wrapping()
        return self._wrapping

    def _serve(self, wrapping: Wrapping) -> None:
        """Do all there is to do. Raises the first of what the Vault's absence, or a login or policy that fails, raised."""
        troubles: list[TidewireError] = []
        for duty in (self._renew, self._unwrap, _stay):
            try:
                duty(wrapping)
            except TidewireError as error:
                troubles.append(error)
        if troubles:
            raise troubles[0]

    def _renew(self, wrapping: Wrapping) -> None:
        if self.seals and (self._key is None or self._clock() - self._since >= KEY_SECONDS):
            self._key = wrapping.new()
            self._since = self._clock()

    def _unwrap(self, wrapping: Wrapping) -> None:
        while self._wanted:
            wrapped = self._wanted[0]
            try:
                self._unwrapped[wrapped] = wrapping.unwrap(wrapped)
            except NEVER as error:
                self._unwrapped[wrapped] = error
            del self._wanted[0]

    def _say(self, error: TidewireError) -> None:
        retries.labels("producers", "data key").inc()
        if str(error) != self._trouble:
            self._trouble = str(error)
            level = logger().warning if isinstance(error, Retry) else logger().error
            level("data keys can't be had", venue=self._venue, reason=str(error), key_in_memory=self._key is not None)


def _stay(wrapping: Wrapping) -> None:
    wrapping.stay()


def sealer(settings: Settings, venue: str) -> Sealing:
    """Return the data keys of a venue's producer. Nothing is opened before it is needed."""
    seals = settings.producer.spill_sealed
    return Sealing(venue, lambda: open_wrapping(settings.secrets, venue), seals=seals, clock=time.monotonic)
