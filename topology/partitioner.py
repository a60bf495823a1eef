"""Which partition of a topic a key lies in: as Java's producer has it, and ours (`murmur2_random`, topology/kafka.py). Pure."""

SEED, FACTOR, SHIFT = 0x9747B28C, 0x5BD1E995, 24
WORD = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition, of so many, in which the records of a key lie; the key is not empty."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the hash, 32 bits without a sign (org.apache.kafka.common.utils.Utils.murmur2)."""
    found = SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * FACTOR & WORD
        word = (word ^ word >> SHIFT) * FACTOR & WORD
        found = found * FACTOR & WORD ^ word
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * FACTOR & WORD
    found = (found ^ found >> 13) * FACTOR & WORD
    return found ^ found >> 15
