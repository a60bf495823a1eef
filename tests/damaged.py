"""Damage in the broker's own files: the blocks of a topic's log, found and overwritten where they lie."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from local import Addresses, LocalStack

LENGTH_AT, FORMAT_AT, CHECKSUM_AT, PAYLOAD_AT = 8, 16, 17, 61


class Block(NamedTuple):
    """A producer's batch in a segment file: its place there, and its first offset and the one behind its last."""

    file: Path
    place: int
    size: int
    first: int
    end: int


def data_folder(brokers: str) -> Path:
    """Return where the broker keeps its logs, as it says itself."""
    admin = AdminClient({"bootstrap.servers": brokers})
    (number,) = admin.list_topics(timeout=20).brokers
    asked = ConfigResource(ResourceType.BROKER, str(number))
    return Path(admin.describe_configs([asked])[asked].result(20)["log.dirs"].value)


def blocks(brokers: str, topic: str, partition: int = 0) -> list[Block]:
    """Return the blocks of a partition, in order."""
    found = []
    for file in sorted((data_folder(brokers) / f"{topic}-{partition}").glob("*.log")):
        data, place = file.read_bytes(), 0
        while place + PAYLOAD_AT <= len(data):
            size = 12 + int.from_bytes(data[place + LENGTH_AT : place + LENGTH_AT + 4], "big")
            first = int.from_bytes(data[place : place + 8], "big")
            end = first + int.from_bytes(data[place + 23 : place + 27], "big") + 1
            found.append(Block(file, place, size, first, end))
            place += size
    return found


def overwrite(block: Block, at: int, data: bytes) -> bytes:
    """Write bytes into a block; return what was there."""
    with block.file.open("r+b") as file:
        file.seek(block.place + at)
        before = file.read(len(data))
        file.seek(block.place + at)
        file.write(data)
    return before


def spoil_payload(block: Block) -> None:
    """Turn bits in the middle of what a producer wrote."""
    middle = (PAYLOAD_AT + block.size) // 2
    with block.file.open("rb") as file:
        file.seek(block.place + middle)
        byte = file.read(1)[0]
    overwrite(block, middle, bytes([byte ^ 0x55]))


SPOILS: dict[str, Callable[[Block], object]] = {
    "payload": spoil_payload,
    "checksum": lambda block: overwrite(block, CHECKSUM_AT, b"\xde\xad\xbe\xef"),
    "length too large": lambda block: overwrite(block, LENGTH_AT, b"\x7f\x00\x00\x00"),
    "length beyond": lambda block: overwrite(block, LENGTH_AT, (block.size + 100).to_bytes(4, "big")),
    "length nothing": lambda block: overwrite(block, LENGTH_AT, b"\x00\x00\x00\x01"),
    "format older": lambda block: overwrite(block, FORMAT_AT, b"\x00"),
    "format unknown": lambda block: overwrite(block, FORMAT_AT, b"\x63"),
    "offset far ahead": lambda block: overwrite(block, 0, b"\x00\x00\x00\x7f"),
    "offset far behind": lambda block: overwrite(block, 0, b"\xff"),
    "last offset": lambda block: overwrite(block, 23, b"\x00\x00\x20\x00"),
    "all of the header": lambda block: overwrite(block, 0, bytes(PAYLOAD_AT)),
}
"""What a disk may do to a block, each by name."""

PARSER_ENDS = {"length beyond", "all of the header"}
"""What librdkafka 2.16.0 may meet with an assertion, which ends the process at once (rdbuf.c, rd_slice_narrow_copy): what it takes for a
message behind a length that is not true is not one. No reader that stands on it can pass these."""
SPOILS_OF_LIBRDKAFKA = sorted(SPOILS.keys() - PARSER_ENDS)
BODY = {"payload", "checksum", "last offset", "offset far behind", "format unknown"}
"""After these the length of the block is as it was. Behind an untrue one nothing can be read up to the next entry of the index, so that at
a log's end what is written soon after is lost with it; a header of zeros there is not passed over within the time of a test."""


def cases(places: dict[str, int], spoils: Iterable[str], each_time: set[tuple[str, str]]) -> list[Any]:
    """Return (where, spoil) for each place and way to spoil; those not named in `each_time` are long runs."""
    return [
        pytest.param(place, spoil, id=f"{where}-{spoil}", marks=() if (where, spoil) in each_time else pytest.mark.chaos)
        for where, place in places.items()
        for spoil in spoils
        if where != "last" or spoil in BODY
    ]


@pytest.fixture(scope="session")
def own_files(stack_addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Return the servers of the run, with a broker whose files are on this machine."""
    if data_folder(stack_addresses.kafka).is_dir():
        yield stack_addresses
        return
    stack = LocalStack(tmp_path_factory.mktemp("own_files"))
    try:
        yield replace(stack_addresses, kafka=stack.start(("kafka",)).kafka)
    finally:
        stack.stop()
