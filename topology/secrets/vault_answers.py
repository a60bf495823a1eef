"""What a Vault's refusals mean, as errors that name the path and the cure. Nothing of an answer's body goes on but Vault's own words."""

from collections.abc import Iterator
from contextlib import contextmanager

import hvac.exceptions
import requests.exceptions

from topology.secrets.errors import Denied, Malformed, Missing, Sealed, Unavailable, Untrusted

MOST_WORDS = 300


@contextmanager
def translated(path: str, address: str) -> Iterator[None]:
    """Raise what hvac raises in the block as one of our errors; what is ours already passes."""
    try:
        yield
    except hvac.exceptions.Forbidden:
        raise Denied(
            f"{path}: the Vault at {address} denies it to this token: its policy must name the path "
            "(`tidewire secrets init` writes one policy a stage)"
        ) from None
    except hvac.exceptions.InvalidPath:
        raise Missing(f"there is no {path} in the Vault at {address}: `tidewire secrets list` shows what there is") from None
    except hvac.exceptions.VaultDown as error:
        if "sealed" in words(error).lower():
            raise Sealed(f"{path}: the Vault at {address} is sealed: unseal it (`vault operator unseal`), this goes on by itself") from None
        raise Unavailable(f"{path}: the Vault at {address} does not serve now: {words(error)}") from None
    except hvac.exceptions.VaultNotInitialized:
        raise Sealed(f"{path}: the Vault at {address} is not initialised: `vault operator init`, then unseal it") from None
    except hvac.exceptions.InvalidRequest as error:
        raise Malformed(f"{path}: the Vault at {address} does not take it: {words(error)}") from None
    except hvac.exceptions.VaultError as error:
        raise Unavailable(f"{path}: the Vault at {address} answered {type(error).__name__}: {words(error)}") from None
    except requests.exceptions.SSLError:
        raise Untrusted(
            f"{path}: the certificate of {address} is signed by no CA known here: set secrets.ca to the CA's file, or mend secrets.address"
        ) from None
    except requests.exceptions.JSONDecodeError:
        raise no_vault(path, address) from None
    except requests.exceptions.RequestException as error:
        raise Unavailable(
            f"{path}: no Vault answers at {address} ({type(error).__name__}): is secrets.address right, and the Vault up?"
        ) from None
    except OSError as error:
        # requests raises it for a CA file that is not there.
        raise Untrusted(f"{path}: secrets.ca can't be used: {str(error)[:MOST_WORDS]}") from None


def no_vault(path: str, address: str) -> Untrusted:
    """Return what to raise where another server answers."""
    return Untrusted(f"{path}: what answers at {address} is no Vault: mend secrets.address")


def words(error: hvac.exceptions.VaultError) -> str:
    """Return what Vault itself said, without the request it was said to."""
    said = ", ".join(map(str, error.errors)) if error.errors else str(error.args[0] if error.args else "")
    return " ".join(said.split())[:MOST_WORDS] or type(error).__name__
