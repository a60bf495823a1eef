"""Keys go to the partition that the broker's other clients take them to; that ours do too stands in test_kafka.py."""

import pytest
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from tests.topology.test_kafka import JAVA
from topology.partitioner import murmur2, partition_of


@pytest.mark.parametrize("key", JAVA)
def test_the_hash_is_javas(key: bytes) -> None:
    """Murmur2 as the Java client's own test has it, and so the partition."""
    assert murmur2(key) == JAVA[key] & 0xFFFFFFFF
    assert partition_of(key, 7) == (JAVA[key] & 0x7FFFFFFF) % 7


@given(st.binary(min_size=1, max_size=40))
def test_the_hash_is_that_of_another_client(key: bytes) -> None:
    """Any key, of any length, has the hash that aiokafka gives it."""
    assert murmur2(key) == theirs(key) & 0xFFFFFFFF
