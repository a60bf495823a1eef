"""The single orders of a simulated book: what each window is told, and what is remembered."""

import re

import pytest

from simulator.catalogue import instruments
from simulator.market import Change, Market, MarketSettings
from simulator.venues.kraken.book import ChecksumCache
from simulator.venues.kraken.level3 import Orders
from simulator.venues.kraken.orders import OrderBook
from tests.simulator.clients import KrakenOrders

SYMBOL = "XRP/USD"


def messages(market: Market, orders: Orders) -> list[str]:
    """Make a step and return what its only window is told, if anything."""
    step = market.step()
    return [orders.update(step, sides).render(0, 0) for sides in orders.advance(step).values() if any(sides)]


def made(levels: int, seed: int = 3, keep: bool = False) -> tuple[Market, Orders]:
    """Return a market of one pair and its orders."""
    market = Market(instruments(("kraken",), ("XRP",)), MarketSettings(seed=seed, levels=levels))
    listing = market.listing("kraken", SYMBOL)
    return market, Orders(market, {SYMBOL: listing}, {SYMBOL: ChecksumCache(listing.book)}, keep)


@pytest.mark.parametrize(("depth", "levels", "steps"), [(10, 12, 800), (10, 90, 800), (100, 90, 400), (100, 150, 600), (1000, 995, 60)])
def test_window_is_the_orders_of_the_best_levels(depth: int, levels: int, steps: int) -> None:
    """A client that applies, cuts to the depth and checks holds one order for each of the market's best levels after each message."""
    market, orders = made(levels, seed=depth + levels)
    listing = market.listing("kraken", SYMBOL)
    price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
    client = KrakenOrders(depth)
    orders.open(SYMBOL, depth)
    client.apply(orders.snapshot(SYMBOL, depth).render(0, 0))
    for _ in range(steps):
        for text in messages(market, orders):
            client.apply(text)
        assert client.top() == (
            [[price(at), size(amount)] for at, amount in listing.book.bids.top(depth)],
            [[price(at), size(amount)] for at, amount in listing.book.asks.top(depth)],
        )
    assert client.messages > steps // 2
    assert (client.mismatches, client.mistakes) == (0, [])
    assert {order["event"] for order in client.heard} == {"add", "modify", "delete"}


def test_ids_are_those_of_the_seed_and_never_twice() -> None:
    """The same market gives the same orders; ids look like the venue's; an order that went never comes back."""

    def heard() -> list[tuple[str, str]]:
        market, orders = made(60)
        client = KrakenOrders(1000)
        orders.open(SYMBOL, 1000)
        client.apply(orders.snapshot(SYMBOL, 1000).render(0, 0))
        resting = [*client.bids, *client.asks]
        for _ in range(700):
            for text in messages(market, orders):
                client.apply(text)
        return [("", each) for each in resting] + [(order["event"], order["order_id"]) for order in client.heard]

    first = heard()
    assert first == heard()
    begun = [order_id for event, order_id in first if event in ("", "add")]
    assert len(begun) == len(set(begun)) > 300
    assert all(re.fullmatch(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", order_id) for order_id in begun)


def test_what_a_step_does_to_a_level_is_one_event() -> None:
    """A level changed twice, or taken and put back, in one step is one modification; one that comes and goes is nothing."""
    market, _ = made(30)
    book = market.listing("kraken", SYMBOL).book
    orders = OrderBook(book, "seed", 5)
    orders.open(10)
    price, size, new = book.bids.best(), book.bids.sizes[book.bids.best()], book.bids.best() + 1
    book.bids.put(price, 77)
    changes = [Change(1, True, price, 0, size), Change(2, True, price, 77, 0), Change(3, True, new, 5, 0), Change(4, True, new, 0, 5)]
    ((told,), no_asks) = orders.advance(changes, 5)[10]
    assert (told.event, told.order.size, no_asks) == ("modify", 77, [])
    assert told.order.time_us == 6, "later than the orders that rested at 5, though the step's time is the same"


def test_a_deleted_order_names_the_size_it_had() -> None:
    """As the live feed does; what is remembered says what remains of it, which is nothing."""
    market, orders = made(60, keep=True)
    client = KrakenOrders(1000)
    client.apply(orders.snapshot(SYMBOL, 1000).render(0, 0))
    for _ in range(500):
        for text in messages(market, orders):
            client.apply(text)
    gone = [order for order in client.heard if order["event"] == "delete"]
    assert gone
    assert all(float(order["order_qty"]) > 0 for order in gone)
    assert {change.size for change in orders.changes(SYMBOL) if change.action == "delete"} == {"0.00000000"}


def test_changes_are_remembered_where_asked_for() -> None:
    """Changes are what a client of the greatest depth hears; elsewhere nothing is kept, and asking says how it would be."""
    market, orders = made(60, keep=True)
    client = KrakenOrders(1000)
    for _ in range(300):
        for text in messages(market, orders):
            client.apply(text)
    told = [(order["order_id"], order["event"], order["limit_price"]) for order in client.heard]
    assert [(change.order_id, change.action, change.price) for change in orders.changes(SYMBOL)] == told
    times = [change.time_us for change in orders.changes(SYMBOL)]
    assert times == sorted(times)
    with pytest.raises(ValueError, match="orders=True"):
        made(60)[1].changes(SYMBOL)
    with pytest.raises(KeyError):
        orders.changes("NOPE/USD")


def test_nothing_is_made_before_anybody_asks() -> None:
    """A market nobody watches order by order makes no orders and no messages."""
    market, orders = made(60)
    assert [text for _ in range(200) for text in messages(market, orders)] == []
