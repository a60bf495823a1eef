"""A registry and a ClickHouse behind TLS, with a certificate of a CA that the system does not know."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local import Addresses
from tests.secured.certificates import Authority
from topology.clickhouse import connect
from topology.errors import Fatal
from topology.registry import Registry
from topology.settings import ClickHouse
from topology.settings import Registry as RegistrySettings

Reach = Callable[[str], object]
"""Ask one of the servers, given the CA."""


class _Encrypting(socketserver.ThreadingTCPServer):
    """Hands what comes over TLS on to a server on this machine, and its answers back: a thread for each direction."""

    daemon_threads = True

    def __init__(self, there: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._there = there
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's own signature
        """Serve one connection until either end closes it."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(self._there) as back,
            self._context.wrap_socket(request, server_side=True) as front,
        ):
            answers = threading.Thread(target=_pass_on, args=(back, front))
            answers.start()
            _pass_on(front, back)
            answers.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def encrypted(url: str, context: ssl.SSLContext) -> Iterator[str]:
    """Serve what a server on this machine serves in the clear, as https; yield its address."""
    there = urlsplit(url)
    with _Encrypting((there.hostname or "", there.port or 0), context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}{there.path}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return a CA that the system does not know."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["registry", "clickhouse"])
def reach(request: pytest.FixtureRequest, authority: Authority, stack_addresses: Addresses) -> Iterator[Reach]:
    """Return how one of the servers is asked, behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.signed(f"server-{request.param}"))
    with encrypted(getattr(stack_addresses, request.param), context) as url:

        def registry(ca: str) -> object:
            return Registry(RegistrySettings(url=url, ssl_ca=ca)).subjects()

        def clickhouse(ca: str) -> object:
            chosen = ClickHouse(url=url, ssl_ca=ca, password_file=stack_addresses.clickhouse_password_file)
            with closing(connect(chosen)) as client:
                return client.query("SELECT 1 AS one").result_rows

        yield {"registry": registry, "clickhouse": clickhouse}[request.param]


def test_its_own_ca_is_trusted(reach: Reach, authority: Authority) -> None:
    """With the CA's file in ssl_ca the server is asked over TLS, and answers."""
    assert reach(str(authority.certificate)) is not None


@pytest.mark.parametrize("which", ["the system's", "another"])
def test_a_certificate_of_another_is_fatal(reach: Reach, which: str, tmp_path: Path) -> None:
    """A server that nobody we trust has vouched for is never asked; the words name the setting."""
    ca = "" if which == "the system's" else str(Authority(tmp_path, "other").certificate)
    with pytest.raises(Fatal, match=r"signed by nobody whom we trust \((registry|clickhouse)\.ssl_ca\)"):
        reach(ca)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_holds_no_ca_is_fatal(reach: Reach, content: str | None, tmp_path: Path) -> None:
    """A file that is not there, or is none in PEM, is told by its setting and its path."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Fatal, match=rf"(registry|clickhouse)\.ssl_ca names {path}"):
        reach(str(path))
