"""What a product's id says of it: `BTC-USD` is a pair, `BIT-24APR26-CDE` and `BIP-20DEC30-CDE` are contracts."""

from schemas.remembered import remembered


@remembered(8192)
def is_pair(product_id: str) -> bool:
    """Whether a product is a pair of spot, whose sizes count base currency: an id of two parts."""
    return product_id.count("-") == 1


def counted(product_id: str, trade_id: str) -> int | None:
    """Return a trade's id as a number where it counts: of pairs; None of contracts, and where it is no number.

    The venue says that ids count for its spot market alone (https://docs.cdp.coinbase.com/exchange/websocket-feed/channels), and its
    pages show others as well (`34b080bf-fcfd-445a-832b-46b5ddc65601`): of contracts no page says anything.
    """
    if not is_pair(product_id) or not (trade_id.isascii() and trade_id.isdigit() and len(trade_id) < 19):
        return None
    return int(trade_id)
