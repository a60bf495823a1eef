"""Who may ask: decided from the head of a request alone, as a function of it.

A browser lets any page send requests to loopback, and a name of the page's own may lead there (DNS rebinding). So the Host must be ours,
and a request that a foreign page made is refused: it says so in Origin (RFC 6454, section 7) or in Sec-Fetch-Site (Fetch Metadata).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from topology.http.ports import HEAD_BYTES, Port

OWN_SITES = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site of a page of the port's own, and of what a person typed."""
PLAIN = frozenset({"", "identity"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: HTTPStatus
    reason: str


def refusal(
    port: Port, headers: Iterable[tuple[str, str]], local: str, allowed: Collection[str] = (), line_bytes: int = 0
) -> Refusal | None:
    """Return why a request is refused, None where it is not.

    `headers` in any case and order, repeated ones too; `local` is the address at which the connection came in; `allowed` are names that
    may stand in Host beside those of loopback and `local`; `line_bytes` is the length of the request line.
    """
    found: dict[str, list[str]] = {}
    size = line_bytes
    for name, value in headers:
        size += len(name) + len(value) + 4
        found.setdefault(name.lower(), []).append(value.strip())
    if size > HEAD_BYTES:
        return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request's head may have {HEAD_BYTES} bytes")
    return _stranger(found, local, allowed) or _unfit(port, found)


def _stranger(found: dict[str, list[str]], local: str, allowed: Collection[str]) -> Refusal | None:
    hosts = found.get("host", [])
    if len(hosts) != 1:
        return Refusal(HTTPStatus.BAD_REQUEST, "a request has one Host")
    name = host_name(hosts[0])
    if name is None:
        return Refusal(HTTPStatus.BAD_REQUEST, "Host is no host and port")
    if not (is_ours(name, local) or name in {one.lower().rstrip(".") for one in allowed}):
        return Refusal(HTTPStatus.FORBIDDEN, "this Host is not served here: http.allowed_hosts (TIDEWIRE_HTTP__ALLOWED_HOSTS) names more")
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in found.get("origin", [])):
        return Refusal(HTTPStatus.FORBIDDEN, "a page of another origin may not ask here")
    if any(site.lower() not in OWN_SITES for site in found.get("sec-fetch-site", [])):
        return Refusal(HTTPStatus.FORBIDDEN, "a page of another site may not ask here")
    return None


def _unfit(port: Port, found: dict[str, list[str]]) -> Refusal | None:
    lengths = found.get("content-length", [])
    if lengths and "transfer-encoding" in found:  # RFC 9112, 6.1: two ways to tell where the body ends
        return Refusal(HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other")
    if any(not one.isdecimal() or not one.isascii() for one in lengths) or len(set(lengths)) > 1:
        return Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is no length")
    if lengths and (len(lengths[0]) > len(str(port.body_bytes)) or int(lengths[0]) > port.body_bytes):
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have {port.body_bytes} bytes")
    if not port.compressed and any(one.lower() not in PLAIN for one in found.get("content-encoding", [])):
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a compressed body is not read here")
    return None


def host_name(host: str) -> str | None:
    """Return the name or address in a Host header, in small letters and without brackets or a last dot; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        found, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if not found or parts.netloc != host or "@" in host or not host.isascii() or any(one.isspace() for one in host):
        return None
    return found.rstrip(".") or None


def is_ours(name: str, local: str) -> bool:
    """Whether a name is one of loopback, or the address at which the connection came in: a name of somebody else's leads to neither."""
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return ip_address(name).is_loopback or ip_address(name) == ip_address(local.partition("%")[0])
    except ValueError:
        return False
