"""A real proxy on loopback: tunnels CONNECT to a server behind TLS of its own, or answers as it is told to.

It ends TLS itself, as proxies of companies do, with a certificate of a CA that only whoever asks for it trusts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

#: A host that exists behind the proxy only.
HOST = "api.vonage.test"
BASE_URL = f"https://{HOST}"

#: What a proxy does with a connection: None tunnels it, a number only until so many pieces of answers came through,
#: bytes are its answer; then it hangs up.
Way = bytes | int | None


@dataclass
class Proxy:
    """What a proxy was asked, and where it is."""

    address: str = ""
    heads: list[str] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    def way(self) -> Way:
        """What is done with the next connection; the last way for ever."""
        return self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]


def answer(status: int, phrase: str = "", body: bytes = b"") -> bytes:
    """An answer of a proxy that refuses."""
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode("latin-1") + body


@contextlib.contextmanager
def proxy(folder: Path, upstream: str, *ways: Way) -> Iterator[Proxy]:
    """A proxy before a server of plain HTTP, whose CA is `ca_file(folder)`."""
    found = Proxy(ways=list(ways or (None,)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_files(folder)[1])
    with serving(functools.partial(_connection, found, context, urlsplit(upstream))) as address:
        found.address = address
        yield found


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """Hand each connection to `handle`, in a thread of its own; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    open_ones: set[socket.socket] = set()

    def one(connection: socket.socket) -> None:
        open_ones.add(connection)
        with contextlib.suppress(OSError), connection:
            handle(connection)
        open_ones.discard(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield "{}:{}".format(*listener.getsockname()[:2])
    finally:
        # Closing alone does not wake who waits in accept.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in tuple(open_ones):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def read_head(connection: socket.socket) -> bytes:
    """A request up to its empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(65536)
        if not chunk:
            break
        head += chunk
    return head


def ca_file(folder: Path) -> Path:
    """The certificate of the proxy's CA."""
    return _files(folder)[0]


def _connection(found: Proxy, context: ssl.SSLContext, upstream: object, client: socket.socket) -> None:
    head = read_head(client).decode("latin-1")
    if not head:
        return
    found.heads.append(head)
    way = found.way()
    if isinstance(way, bytes):
        client.sendall(way)
        return
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with (
        context.wrap_socket(client, server_side=True) as inner,
        socket.create_connection((upstream.hostname, upstream.port)) as server,  # type: ignore[attr-defined]
    ):
        back = threading.Thread(target=pipe, args=(server, inner, way), daemon=True)
        back.start()
        pipe(inner, server)
        back.join(60)


def pipe(source: socket.socket, target: socket.socket, pieces: int | None = None) -> None:
    """Pass on what comes, to its end or until so many pieces have come."""
    count = 0
    with contextlib.suppress(OSError):
        while (pieces is None or count < pieces) and (chunk := source.recv(65536)):
            target.sendall(chunk)
            count += 1
    for end in (target, source):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@functools.cache
def _made() -> tuple[bytes, bytes]:
    """The CA's certificate, and the host's with its key."""
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of the tests")])
    base = x509.CertificateBuilder().issuer_name(ca).not_valid_before(now - day).not_valid_after(now + day)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root = (
        base.subject_name(ca)
        .public_key(ca_key.public_key())
        .serial_number(1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        base.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]))
        .public_key(key.public_key())
        .serial_number(2)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return root.public_bytes(Encoding.PEM), leaf.public_bytes(Encoding.PEM) + private


def _files(folder: Path) -> tuple[Path, Path]:
    files = folder / "ca.pem", folder / "host.pem"
    for file, content in zip(files, _made(), strict=True):
        file.write_bytes(content)
    return files
