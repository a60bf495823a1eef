"""Real sessions through the whole way: the numbers in the venues' own frames say whether what comes out is right."""

import pytest

from schemas.catalogue import event
from tests.dialects.recorded import FULL, needs_full
from tests.pipeline.harness import Pipeline
from tests.pipeline.ledger import everything_is_read
from tests.pipeline.raw import Raw
from tests.pipeline.sessions import Session, sessions

pytestmark = [needs_full, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


async def test_recorded_sessions(fed_by_hand: Pipeline) -> None:
    """Every session: each trade once, each book verified by checksum or update ids, no hole, nothing refused but types we do not read."""
    found = sessions(FULL)
    assert {session.venue for session in found} == {"binance", "kraken"}, f"{FULL} holds no sessions of both venues"
    raw = Raw(fed_by_hand)
    for session in found:
        places = raw.frames(session.frames)
        topic = event("frame").topic.of(session.venue)
        where = f"venue = '{session.venue}' AND connection_id = '{session.connection_id}'"

        def count(table: str, where: str = where) -> int:
            return int(fed_by_hand.query(f"SELECT count() FROM {table} FINAL WHERE {where}")[0][0])

        await everything_is_read(fed_by_hand)
        assert count("frames") == len(session.frames)
        assert count("book_deltas") == session.deltas
        assert trades_of(fed_by_hand, session) == sorted(session.trades)
        refused = fed_by_hand.query(f"SELECT DISTINCT partition, offset FROM dead_letters FINAL WHERE topic = '{topic}'")
        assert {place for place in places if place[1:] in refused} == {places[number] for number in session.strange}
        holes = fed_by_hand.query(f"SELECT * FROM gaps FINAL WHERE {where} AND toString(cause) != 'reconnect'")
        assert holes == [], f"{session.name}: {holes[:3]}"
        verified = fed_by_hand.query(f"SELECT DISTINCT symbol, toString(verified) FROM book_snapshots FINAL WHERE {where}")
        proof = "sequence" if session.venue == "binance" else "checksum"
        assert set(verified) >= {(symbol, proof) for symbol in session.books}
        unjoined = {"unverified"} if session.venue == "binance" else set[str]()  # a requested snapshot, until a delta joins it
        assert {how for _, how in verified} <= {proof} | unjoined
        print(f"{session.name}: {len(session.frames)} frames, {len(session.trades)} trades, {len(session.books)} books verified")


def trades_of(pipeline: Pipeline, session: Session) -> list[tuple[str, int]]:
    """Return the session's trades that ClickHouse holds, each as often as it holds it."""
    rows = pipeline.query(f"SELECT symbol, sequence FROM trades FINAL WHERE venue = '{session.venue}'")
    return sorted(row for row in rows if row in session.trades)
