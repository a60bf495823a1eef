"""One producer of several that share a venue's symbols: what it hears now, by what the group has assigned and the others have claimed.

Off unless `producer.shared` is set. A partition that comes is heard from the moment that the venue has confirmed its streams, and is
claimed then; what was heard of it before, and by whom, is in the claim that was made last, so that a hole is told. One that goes to
another is heard until that one claims it. Where Kafka is away everybody goes on with what he has: capture does not depend on it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException

from dialects.contract import Dialect
from dialects.stream import Stream
from producers import STAGE, shares
from producers.absences import Absences
from producers.carrying import Carrying
from producers.companions import end
from producers.coverage import Coverage
from producers.member import Answer, Member, Report, Terms, members
from producers.shares import Claim, Holding
from schemas.catalogue import event
from topology.errors import Retry
from topology.log import logger
from topology.settings import Kafka, Settings
from topology.topics import Descriptions

CLAIM_SECONDS = 1.0
LEAVE_SECONDS = 10.0
"""So long one that stops goes on hearing what the others have not taken over yet."""
LOOK_SECONDS = 0.1


def terms_of(settings: Settings, venue: str) -> Terms:
    """Return what a venue's symbols are shared by."""
    group, topic = STAGE.sharing_group_of(venue), event("gap").topic.of()
    return Terms(group, topic, settings.producer.session_timeout, settings.health.hang_seconds)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a share is of, and what it is heard with.

    `me` names this run of this producer; `safe` gives the time up to which all that was heard would survive a kill (microseconds),
    `clock` monotonic seconds. `wanted` is what all members together are to hear.
    """

    kafka: Kafka
    terms: Terms
    dialect: Dialect
    wanted: Sequence[Stream]
    me: str
    carrying: Carrying
    coverage: Coverage
    absences: Absences
    safe: Callable[[], int]
    clock: Callable[[], float]


class Sharing:
    """Carry what is ours of a venue while `run` runs, and hand it over with `leave`. Lives in one event loop."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._holding = Holding(shared.me)
        self._digest = shares.digest(shared.wanted)
        self._partitions = 0
        self._streams: dict[int, list[Stream]] = {}
        """Of each partition, without those that go with every connection."""
        self._settled: frozenset[int] = frozenset()
        """Those held of which all is heard."""
        self._carried: frozenset[Stream] = frozenset()
        self._changed = asyncio.Event()
        self._claim_at = 0.0
        self._leaving = False
        self._trouble = ""
        self._known = False
        """Whether Kafka has ever assigned us anything, be it nothing."""
        self._strangers: set[str] = set()

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions of the topic of gaps that are ours; any thread."""
        return self._holding.assigned

    def status(self) -> str:
        """Return why what is ours is not known, or not heard yet; nothing where it is."""
        if self._known:
            taking = sorted(self._holding.assigned - self._settled)
            return f"{self._shared.dialect.venue}: takes over the symbols of partitions {taking}" if taking else ""
        why = f": {self._trouble}" if self._trouble else ""
        return f"{self._shared.dialect.venue}: waits for its share of the symbols (group {self._shared.terms.group}){why}"

    async def run(self) -> None:
        """Take part in the group until cancelled; raises what ended that, and may be run again. What is heard is heard meanwhile."""
        shared = self._shared
        topic = shared.terms.topic
        described = await asyncio.to_thread(lambda: Descriptions(shared.kafka).of([topic]))
        if topic not in described:
            raise Retry(f"the topic {topic} is not there, by whose partitions symbols are shared out")
        self._know(described[topic].partitions)
        self._holding.revoke(self._holding.assigned)
        member = Member(shared.kafka, shared.terms, self._turn)
        following = asyncio.create_task(self._follow())
        member.start()
        try:
            done, _ = await asyncio.wait((following, member.failure), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            await member.close()
            await end(following)

    async def leave(self, most: float) -> None:
        """Leave the group, and return once the others hear what we did; after `most` seconds all the same. `run` must run."""
        shared = self._shared
        try:
            alone = await asyncio.to_thread(members, shared.kafka, shared.terms.group) < 2
        except KafkaException as error:
            logger().warning("who else shares the symbols is not known", venue=shared.dialect.venue, reason=error.args[0].str())
            alone = True
        if alone or not self._known:
            return
        self._leaving = True
        until = shared.clock() + min(most, LEAVE_SECONDS)
        while self._holding.held and shared.clock() < until:  # noqa: ASYNC110 - it is told by a thread's turn, twice a second
            await asyncio.sleep(LOOK_SECONDS)
        left = sorted(self._holding.held)
        logger().info("the others hear what this producer did", venue=shared.dialect.venue, **{"not_taken_over": left} if left else {})

    def _know(self, partitions: int) -> None:
        dialect, self._partitions = self._shared.dialect, partitions
        self._streams = {}
        for stream in self._shared.wanted:
            if dialect.channels[stream.channel].scope != "connection":
                place = shares.place(dialect.venue, stream.symbol, partitions)
                self._streams.setdefault(place, []).append(stream)

    async def _turn(self, report: Report) -> Answer:
        """Take what the member found; called about twice a second. Return what it is to do."""
        holding, before = self._holding, self._holding.assigned
        self._trouble = report.trouble
        holding.revoke(report.revoked)
        for partition in report.assigned:
            self._seed(partition, report.claims.get(partition))
        self._warn({partition: claim for partition, claim in report.claims.items() if partition in holding.leaving})
        fresh = holding.assign(report.assigned)
        gone = holding.see(report.claims)
        self._settled -= gone
        self._known = self._known or report.takes_part
        if fresh or gone:
            self._changed.set()
        if holding.assigned != before or gone:
            logger().info(
                "its share of the symbols",
                venue=self._shared.dialect.venue,
                partitions=sorted(holding.assigned),
                until_others_hear_them=sorted(holding.leaving),
            )
        return Answer(self._claims(), holding.leaving, self._leaving)

    def _claims(self) -> Mapping[int, Claim]:
        """Return what to claim, about once a second: what is ours and heard."""
        if self._shared.clock() < self._claim_at or self._leaving:
            return {}
        self._claim_at = self._shared.clock() + CLAIM_SECONDS
        at = self._shared.safe()
        return {
            partition: Claim(self._heard(partition, at), self._shared.me, self._digest)
            for partition in self._holding.assigned & self._settled
        }

    def _heard(self, partition: int, at: int) -> int:
        """Return up to when all of a partition was heard that ever was."""
        times = (self._shared.coverage.heard_until(stream, at) for stream in self._streams.get(partition, ()))
        return min((time for time in times if time is not None), default=at)

    def _seed(self, partition: int, claim: Claim | None) -> None:
        """Know up to when others have heard what comes to us."""
        if claim is not None and claim.by != self._shared.me:
            for stream in self._streams.get(partition, ()):
                self._shared.coverage.heard_elsewhere(stream, claim.heard)

    def _warn(self, claims: Mapping[int, Claim]) -> None:
        """Tell, once of each, that another is to hear other streams than we: then some may be nobody's."""
        for claim in claims.values():
            if claim.carries != self._digest and claim.by not in self._strangers:
                self._strangers.add(claim.by)
                venue = self._shared.dialect.venue
                logger().error(
                    f"another producer of the group wants other streams, of which some may be heard by nobody: venues.{venue}.symbols and "
                    f"venues.{venue}.channels must be the same wherever producer.shared is set",
                    venue=venue,
                    other=claim.by,
                )

    async def _follow(self) -> None:
        """Carry what is held, whenever that changes."""
        shared = self._shared
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._leaving:
                continue
            held = self._holding.held
            wanted = shares.share(shared.dialect, shared.wanted, held, self._partitions) if self._partitions else []
            self._carried |= frozenset(wanted)
            if not await shared.carrying.carry(wanted, self._changed):
                continue
            self._settled = held & self._holding.held
            self._let_go(self._carried - frozenset(wanted))
            self._carried = frozenset(wanted)

    def _let_go(self, streams: frozenset[Stream]) -> None:
        """See that nothing is left open of streams that others carry now."""
        if streams:
            self._shared.coverage.leave(streams)
            self._shared.absences.leave(streams)
            for feed in self._shared.carrying.feeds:
                feed.tell_left()
