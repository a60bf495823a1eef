"""What one connection asked for, what the venue confirmed, and which stream has gone silent. Pure: times are passed in."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dialects.stream import Stream

MOST_ASKS = 2
REFUSED_SECONDS, LONGEST_REFUSED_SECONDS = 60.0, 3600.0
"""What the venue refuses is asked for again after this, doubling: it may have been busy, or list the market by then."""


@dataclass(slots=True)
class Watch:
    """What is known of one stream. Times are of a monotonic clock, in seconds."""

    asked_at: float | None = None
    asks: int = 0
    confirmed: bool = False
    refused: bool = False
    refused_seconds: float = REFUSED_SECONDS
    again_at: float | None = None
    alive_at: float = 0.0
    seen: int | None = None
    unrecoverable_at: float | None = None


@dataclass(slots=True)
class Findings:
    """What a check found.

    To be asked again for want of an answer; to be asked again because the refusal is old; newly silent; speaking though said to be
    silent; beyond what this connection can mend.
    """

    unconfirmed: list[Stream] = field(default_factory=list)
    refused: list[Stream] = field(default_factory=list)
    silent: list[Stream] = field(default_factory=list)
    resumed: list[Stream] = field(default_factory=list)
    unrecoverable: list[Stream] = field(default_factory=list)


class Subscriptions:
    """Follow the streams of one connection. `silence` is the longest quiet time by channel, in seconds; none: quiet for ever."""

    def __init__(self, streams: Sequence[Stream], silence: Mapping[str, float], confirm_seconds: float) -> None:
        self._watches = {stream: Watch() for stream in streams}
        self._silence = silence
        self._confirm_seconds = confirm_seconds
        self.heard: dict[Stream, int] = {}
        """Stream → when its last frame came (microseconds since 1970 UTC); the hot path writes here and nowhere else."""

    def ask(self, streams: Iterable[Stream], at: float) -> None:
        """Note that a subscription has been sent."""
        for watch in self._watched(streams):
            watch.asked_at, watch.asks = at, watch.asks + 1

    def confirm(self, streams: Iterable[Stream], at: float) -> list[Stream]:
        """Note the venue's acknowledgement; return the streams for which it is the first."""
        fresh = [stream for stream in streams if stream in self._watches and not self._watches[stream].confirmed]
        for watch in self._watched(fresh):
            watch.confirmed, watch.refused, watch.alive_at = True, False, at
        return fresh

    def refuse(self, stream: Stream) -> bool:
        """Note the venue's refusal; False where the stream is confirmed already or not ours (it then changes nothing)."""
        watch = self._watches.get(stream)
        if watch is None or watch.confirmed:
            return False
        watch.refused = True
        return True

    def is_confirmed(self, stream: Stream) -> bool:
        """Whether the venue has acknowledged it."""
        return stream in self._watches and self._watches[stream].confirmed

    def refused(self) -> set[Stream]:
        """Return the streams that the venue refused."""
        return {stream for stream, watch in self._watches.items() if watch.refused}

    def waiting(self) -> set[Stream]:
        """Return the streams neither confirmed nor refused."""
        return {stream for stream, watch in self._watches.items() if not watch.confirmed and not watch.refused}

    def check(self, at: float, silent: Container[Stream], unwatched: float = 0.0, *, unheard: bool = False) -> Findings:
        """Look at every stream: `silent` are those said to be so already, by this connection or another.

        A stream that is said to be silent and still is, is unrecoverable after each further limit. `unwatched`: seconds before now in
        which we did not listen ourselves; they are no stream's silence. `unheard`: whether a frame came since the last look of
        which nobody knows the stream: any may have spoken, and none is confirmed by it.
        """
        found = Findings()
        if unwatched:
            self._forgive(unwatched)
        if unheard:
            for watch in self._watches.values():
                watch.alive_at = max(watch.alive_at, at)
        for stream, watch in self._watches.items():
            if watch.refused:
                _note_refused(stream, watch, at, found)
                continue
            if not watch.confirmed:
                if watch.asked_at is not None and at - watch.asked_at >= self._confirm_seconds:
                    self._unanswered(stream, watch, at, found)
                continue
            heard = self.heard.get(stream)
            if heard != watch.seen:
                watch.seen, watch.alive_at, watch.unrecoverable_at = heard, at, None
                if stream in silent:
                    found.resumed.append(stream)
                continue
            limit = self._silence.get(stream.channel)
            quiet = at - watch.alive_at
            if limit is None or quiet < limit:
                continue
            if stream not in silent:
                found.silent.append(stream)
            elif quiet >= 2 * limit:
                _note_unrecoverable(stream, watch, at, limit, found)
        return found

    def _forgive(self, seconds: float) -> None:
        for watch in self._watches.values():
            watch.alive_at += seconds
            if watch.asked_at is not None:
                watch.asked_at += seconds
            if watch.unrecoverable_at is not None:
                watch.unrecoverable_at += seconds

    def _unanswered(self, stream: Stream, watch: Watch, at: float, found: Findings) -> None:
        if watch.asks < MOST_ASKS:
            watch.asked_at = None
            found.unconfirmed.append(stream)
        else:
            _note_unrecoverable(stream, watch, at, self._confirm_seconds, found)

    def _watched(self, streams: Iterable[Stream]) -> list[Watch]:
        return [self._watches[stream] for stream in streams if stream in self._watches]


def _note_refused(stream: Stream, watch: Watch, at: float, found: Findings) -> None:
    """Name a refused stream when it is to be asked for again, each time after twice as long."""
    if watch.again_at is not None and at >= watch.again_at:
        found.refused.append(stream)
        watch.refused_seconds = min(2 * watch.refused_seconds, LONGEST_REFUSED_SECONDS)
        watch.again_at = None
    if watch.again_at is None:
        watch.again_at = at + watch.refused_seconds


def _note_unrecoverable(stream: Stream, watch: Watch, at: float, every: float, found: Findings) -> None:
    """Name a stream that this connection cannot bring back, again after each further `every` seconds."""
    if watch.unrecoverable_at is None or at - watch.unrecoverable_at >= every:
        watch.unrecoverable_at = at
        found.unrecoverable.append(stream)
