"""What can go wrong with a secret, each with the path it is about and the cure, and never a value.

Every class is one of the reactions of topology/errors.py: a watcher waits on Unavailable, gives one write up on Conflict or
Refused, and stops on the others.
"""

from topology.errors import Fatal, Reject, Retry


class Unavailable(Retry):
    """The store does not answer now: wrong address, network, a Vault that is sealed or standing by."""


class Sealed(Unavailable):
    """The Vault answers, and is sealed."""


class Denied(Fatal):
    """The store knows who asks, and says no."""


class Unauthenticated(Fatal):
    """Nobody is logged in, and can't be: wrong role or secret id, a spent or expired wrapping token."""


class Missing(Fatal):
    """There is no such secret, or not this version of it."""


class Malformed(Fatal):
    """The secret is there, but a field is missing, unknown or of the wrong type."""


class Damaged(Fatal):
    """A local file is truncated or altered."""


class RolledBack(Damaged):
    """A local file is whole and ours, and older than what was kept last: somebody put it back."""


class WrongKey(Fatal):
    """The key is not the one that the local store was encrypted with, or it can't be used as it is."""


class Conflict(Reject):
    """Another writer was first: nothing was overwritten."""


class Refused(Reject):
    """The secret was read and must not be used."""


class Untrusted(Fatal):
    """What answers at the Vault's address is not to be trusted: a certificate that no known CA signed, or no Vault at all."""
