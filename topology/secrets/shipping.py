"""Audit events from this machine's queue to Kafka: by every stage while it runs, and once by each command of `tidewire secrets`.

All processes of a machine share the queue. Whichever looks first ships for all; what Kafka does not take stays for the next look.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.catalogue import event
from topology.addresses import embedded, merged
from topology.errors import Retry, TidewireError
from topology.grace import stopping
from topology.kafka import Publisher
from topology.log import logger
from topology.metrics import retries
from topology.registry import Registry
from topology.secrets.audit import Queue
from topology.settings import Settings

LOOK_SECONDS = 3.0
"""How often a stage looks whether events wait; a look that finds none asks the file's size and nothing else."""
LONGEST_WAIT = 60.0
"""How long a stage waits at most after Kafka took none; each wait is twice the one before."""
DELIVERY_SECONDS = 5.0


def ship(settings: Settings) -> int:
    """Publish what waits in the queue; return how many, 0 also where another process is at it or no broker and registry are known.

    Raises Retry where they are away, with every event kept; OSError where the queue's file can't be read.
    """
    queue = Queue(settings.secrets.audit_queue)
    if queue.empty:
        return 0
    found = merged(settings, embedded(settings))
    if not (found.kafka.brokers and found.registry.url):
        return 0
    kind = event("credential_audit")
    codec = Registry(found.registry).codec(kind.topic.of(), kind)
    with Publisher(found.kafka, **{"delivery.timeout.ms": int(DELIVERY_SECONDS * 1_000)}) as publisher:
        return queue.ship(publisher, codec.encode, DELIVERY_SECONDS + 1)


@contextmanager
def shipping(settings: Settings, stage: str) -> Iterator[None]:
    """Ship while a stage runs: at once, again and again, and once more at its end. Waits for nothing but that last time."""
    shipper = _Shipper(settings, stage)
    thread = threading.Thread(target=shipper.run, name="audit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        shipper.stop.set()
        thread.join(min(DELIVERY_SECONDS + 2, stopping.left(0.5)))
        if stopping.left() > 1.0:  # else they wait in the file for the next start
            shipper.attempt()


class _Shipper:
    def __init__(self, settings: Settings, stage: str) -> None:
        self.stop = threading.Event()
        self._settings = settings
        self._stage = stage
        self._trouble = ""

    def run(self) -> None:
        """Ship until `stop` is set."""
        wait = LOOK_SECONDS
        while not self.stop.is_set():
            wait = LOOK_SECONDS if self.attempt() else min(wait * 2, LONGEST_WAIT)
            self.stop.wait(wait)

    def attempt(self) -> bool:
        """Ship once; whether nothing stood in the way. A reason is said once: events wait, nobody's work does."""
        try:
            ship(self._settings)
        except (TidewireError, OSError) as error:
            retries.labels(self._stage, "audit").inc()
            if str(error) != self._trouble:
                self._trouble = str(error)
                say = logger().warning if isinstance(error, Retry) else logger().error
                say("audit events wait on this machine", file=str(self._settings.secrets.audit_queue), reason=str(error))
            return False
        if self._trouble:
            self._trouble = ""
            logger().info("audit events reach Kafka again")
        return True
