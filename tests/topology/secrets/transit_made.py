"""The transit key of one producer's spill files, as `tidewire secrets init` makes it."""

import pytest

from topology.secrets.envelope import Transit
from topology.secrets.policies import Role, spill_key
from topology.secrets.settings import Secrets
from topology.secrets.vault_session import Session
from topology.secrets.vault_setup import Setup

NAME = spill_key(Secrets(address=""), "kraken")
ROLE = Role("tidewire-producers-kraken", "kraken", spills=True)


@pytest.fixture
def transit(mounted: Secrets) -> Transit:
    """Use a transit key of a real Vault."""
    session = Session(mounted)
    Setup(session, mounted).run([ROLE])
    return Transit(session, mounted.transit_mount, NAME)
