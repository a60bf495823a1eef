"""Reports of deliveries, from whichever thread librdkafka tells them in to the event loop, at once and in their order."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError, Message

from topology.kafka import Publisher

POLL_SECONDS: Final = 0.2


class Deliveries:
    """Call `delivered` (error, key) in the event loop for each report, and `told` after those that came together.

    Without `listen` reports come when the event loop polls the publisher; with it a thread waits for them, so that they come at once.
    """

    def __init__(self, delivered: Callable[[KafkaError | None, bytes], None], told: Callable[[], None] | None) -> None:
        self._delivered = delivered
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._reports: deque[tuple[KafkaError | None, bytes]] = deque()
        self._asked = False
        """Whether the loop was asked to serve, and has not begun to."""
        self._stop = False
        self._thread: threading.Thread | None = None

    def listen(self, publisher: Publisher) -> None:
        """Wait for reports in a thread, until `close`."""
        self._thread = threading.Thread(target=self._listen, args=(publisher,), name="deliveries", daemon=True)
        self._thread.start()

    def report(self, error: KafkaError | None, message: Message) -> None:
        """Take a report, in the thread that polls."""
        self._reports.append((error, message.key() or b""))
        if self._thread is not None and not self._asked:
            self._asked = True
            self._loop.call_soon_threadsafe(self.serve)

    def serve(self) -> None:
        """Tell of what was reported by now. In the event loop."""
        self._asked = False
        reports = self._reports
        if not reports:
            return
        while reports:
            self._delivered(*reports.popleft())
        if self._told is not None:
            self._told()

    async def close(self) -> None:
        """End the thread."""
        self._stop = True
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _listen(self, publisher: Publisher) -> None:
        while not self._stop:
            publisher.poll(POLL_SECONDS)
