"""What is committed, and in what order partitions are given up."""

from collections.abc import Iterator, Mapping
from typing import Any

from faust.types import TP

from processors.engine.transport.positions import Positions


class Commits(Positions):
    """Commits from the ledgers: contiguous, acknowledged, and before a partition is given up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.revoking = False
        """Whether partitions have been given up and no new ones are known yet: `write` refuses then."""

    def _new_offset(self, tp: TP) -> int | None:
        # Faust commits rows of consecutive offsets and loses them when the commit fails; a batch acknowledges its last only.
        # Its lists of acknowledged offsets, which the Cython stream iterator fills, are of no use here.
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        ledger = self._ledgers.get(tp)
        return None if ledger is None else ledger.settle()

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self._ledgers if topics is None or tp in topics or tp.topic in topics])

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        # Mend 4. Faust moves `_committed_offset` whether the commit succeeded or not; `_should_commit` compares with it, so
        # a failed commit would not be tried again until more is acknowledged.
        before = {tp: self._committed_offset.get(tp) for tp in offsets}
        committed = bool(await super()._commit_offsets(offsets, start_new_transaction=start_new_transaction))
        if not committed:
            self._committed_offset.update({tp: offset for tp, offset in before.items() if self._committed_offset.get(tp) == offsets[tp]})
        return committed

    async def commit_and_end_transactions(self) -> None:
        """Commit all that is acknowledged now; Faust's skips it when another commit, begun earlier, is under way."""
        while await self.maybe_wait_for_commit_to_finish():
            pass
        await self.commit(start_new_transaction=False)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow, let the app finish, commit, and only then forget the partitions."""
        # Mend 1. Faust forgets first, so the commit of the revocation finds nothing: all that was acknowledged since the last
        # commit is repeated by the next owner. With `stream_wait_empty=False` it does not commit here at all.
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        # `App._on_partitions_revoked`: stops the flow, empties the queues, flushes the producer, calls the app's receivers.
        await self._on_partitions_revoked(revoked)
        self.revoking = self._sources_closed = True
        await self.commit_and_end_transactions()
        for tp in revoked:
            self._forget(tp)

    def _forget(self, tp: TP) -> None:
        self._moves[tp] += 1
        self._ledgers.pop(tp, None)
        self._buffered_partitions.discard(tp)
        for kept in (self._gap, self._acked, self._acked_index, self._read_offset, self._committed_offset):
            kept.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the new partitions on; Faust pauses them until its tables are recovered."""
        self.revoking = False
        await super().on_partitions_assigned(assigned, generation_id)
