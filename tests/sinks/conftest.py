"""Fixtures of the sink's tests."""

from collections.abc import Iterator

import pytest

from local import Addresses
from tests.sinks.tables import Tables, tables


@pytest.fixture(scope="module")
def store(stack_addresses: Addresses) -> Iterator[Tables]:
    with tables(stack_addresses) as store:
        yield store
