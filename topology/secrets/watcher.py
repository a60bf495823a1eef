"""Learns of a new version of a credential within seconds, has it validated, and hands it on; until then the old one goes on.

A look asks for metadata only; a version is opened once. Looks are spread by jitter, so that a hundred stages don't ask as one.
"""

from collections.abc import Callable

from topology import metrics
from topology.errors import Reject, TidewireError
from topology.secrets.credential import Credential, Identity, Validation
from topology.secrets.credentials import Credentials, CredentialVersion
from topology.secrets.errors import Malformed, Missing, Refused

SHORTEST = 0.7
"""A look comes after this share of the period at the earliest, after the whole period at the latest."""

Check = Callable[[Credential], Validation]
Take = Callable[[CredentialVersion], None]
Say = Callable[[str], None]


class Watcher:
    """Watch one credential. All that is passed in is called in the thread that calls `begin` and `run`, and may block it.

    `check` asks the exchange whether a credential may be used; it raises Retry where the exchange does not answer.
    `take` puts a version to use (opens the new connection, sees it confirmed, closes the old) and returns when that is done; it raises
    Retry to be asked again, Reject where the exchange does not let it in.
    `say` tells people. `random_number` gives numbers in [0, 1), `wait` waits so many seconds and tells whether to stop.
    """

    def __init__(
        self,
        credentials: Credentials,
        identity: Identity,
        check: Check,
        take: Take,
        say: Say,
        period: float,
        random_number: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self.in_use: CredentialVersion | None = None
        """The version in use."""
        self._credentials = credentials
        self._identity = identity
        self._path = identity.path
        self._check = check
        self._take = take
        self._say = say
        self._period = period
        self._random = random_number
        self._wait = wait
        self._refused: set[int] = set()
        self._away = False

    def begin(self) -> CredentialVersion:
        """Find the newest version that may be used, and hold it without handing it on.

        Raises Refused where none may be used, Missing where there is none, Retry where the store or the exchange does not answer.
        """
        known = self._credentials.store.metadata(self._path)
        reasons = ["every version was revoked"]
        for one in reversed(known.versions):
            if one.revoked:
                continue
            try:
                self._note_in_use(self._good(one.version))
            except (Refused, Malformed) as error:
                reasons.append(str(error))
                self._refuse(one.version, str(error))
                continue
            if self.in_use is not None:
                return self.in_use
        raise Refused(f"{self._path}: no version may be used: {'; '.join(reasons[1:] or reasons)}")

    def run(self) -> None:
        """Look again and again until `wait` says to stop."""
        while not self._wait(self._period * (SHORTEST + (1 - SHORTEST) * self._random())):
            self.look()

    def look(self) -> bool:
        """Look once; True where a new version was taken up. The old one stays whatever happens, and nothing is raised for it.

        A store that no longer lets us in (Fatal) is no reason to end what runs: it is said, and asked again.
        """
        try:
            current = self._credentials.store.metadata(self._path).current
            if self._away:
                self._away = False
                self._say(f"{self._path}: the secrets can be read again")
            if current in self._refused or (self.in_use is not None and current == self.in_use.version):
                return False
            return self._try(current)
        except TidewireError as error:
            metrics.secret_failures.labels(self._path).inc()
            if not self._away:
                self._away = True
                self._say(f"{self._path}: the version in use goes on; {error}")
            return False

    def _try(self, version: int) -> bool:
        try:
            candidate = self._good(version)
            self._take(candidate)
        except (Reject, Malformed, Missing) as error:
            self._refuse(version, str(error))
            return False
        self._credentials.audit.say(self._path, "rotate", version)
        metrics.secret_rotations.labels(self._path).inc()
        self._note_in_use(candidate)
        self._say(f"{self._path}: version {version} is in use")
        return True

    def _good(self, version: int) -> CredentialVersion:
        candidate = self._credentials.read(self._identity, version)
        found = self._credentials.validate(candidate, self._check)
        if not found.ok:
            raise Refused(f"version {version} of {self._path}: {found.detail}")
        return candidate

    def _note_in_use(self, candidate: CredentialVersion) -> None:
        self.in_use = candidate
        metrics.secret_version.labels(self._path).set(candidate.version)

    def _refuse(self, version: int, reason: str) -> None:
        self._refused.add(version)
        self._credentials.audit.say(self._path, "refuse", version, reason)
        metrics.secret_refusals.labels(self._path).inc()
        kept = f"version {self.in_use.version} stays in use" if self.in_use else "it is not used"
        self._say(f"{self._path}: version {version} is refused, {kept}: {reason}")
