#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Server with faults on demand for the tests of the HTTP client.

Usage: fault_server.py DIR

Makes certificate authorities of its own in DIR and client certificates (client-NAME.pem, client-NAME.key), listens on loopback ports and on DIR/sock, prints one
"name value" line per port and then "ready". What a request gets depends on its path; how the TLS layer behaves
depends on the port. Ends when its standard input is closed.
"""
import datetime
import hashlib
import ipaddress
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
CHUNK = b"0123456789abcdef" * 1024
LOCK = threading.Lock()
STATS = {"connections": 0, "none": 0, "streamed": 0}
FOREVER = threading.Event()


class Authority:
    """A certificate that signs leaves; a root unless it has a parent."""

    def __init__(self, name, parent=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.cert = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(parent.name if parent else self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 30 * DAY)
            .not_valid_after(NOW + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(parent.key if parent else self.key, hashes.SHA256())
        )

    def pem(self):
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def leaf(self, path, names, expired=False):
        """Writes a key and a certificate for the names (DNS names or addresses) to path."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        end = NOW - DAY if expired else NOW + 10 * DAY
        cert = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 20 * DAY)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + cert.public_bytes(serialization.Encoding.PEM)
        )
        return path


def client(folder, name, authority, expired=False):
    """Splits what leaf() writes into a chain and a key, as devices have them."""
    path = authority.leaf(folder / f"client-{name}.pem", [name], expired)
    key, mark, cert = path.read_text().partition("-----BEGIN CERTIFICATE-----")
    (folder / f"client-{name}.key").write_text(key)
    (folder / f"client-{name}.key").chmod(0o600)
    path.write_text(mark + cert + authority.pem().decode())


class Request:
    """One parsed request."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ", 2)
        self.head = head
        parts = urllib.parse.urlsplit(target)
        self.path = parts.path
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.strip().lower()] = value.strip()
        self.body = body


def read_request(conn):
    """Next request of a connection, or None at its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    request = Request(head, body)
    length = int(request.fields.get("content-length", "0"))
    while len(request.body) < length:
        more = conn.recv(65536)
        if not more:
            return None
        request.body += more
    return request


def answer(conn, body=b"", status="200 OK", fields=()):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    conn.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def reset(conn):
    """Closes so that the peer sees a reset instead of an end."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    fd = conn.detach()
    os.close(fd)


def do_stream(conn, request):
    total = int(request.query["bytes"])
    with LOCK:
        STATS["streamed"] = 0
    conn.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
    left = total
    while left > 0:
        part = CHUNK[: min(left, len(CHUNK))]
        conn.sendall(part)
        left -= len(part)
        with LOCK:
            STATS["streamed"] += len(part)


def do_headers(conn, request):
    count, size = int(request.query["count"]), int(request.query["size"])
    fields = [(f"X-{n}", "v" * size) for n in range(count)]
    answer(conn, b"ok", fields=fields)


def do_partial(conn, request):
    """Part of an answer, then what the query says: close, reset or silence."""
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npartial")
    if request.query["then"] == "reset":
        reset(conn)
    elif request.query["then"] == "silence":
        FOREVER.wait()
    return False


def do_chunked(conn, _request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for part in (b"one ", b"two ", b"three"):
        conn.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    conn.sendall(b"0\r\nRetry-After: 99\r\n\r\n")


def do_bad_chunk(conn, _request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")
    return False


def do_interim(conn, _request):
    conn.sendall(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 5\r\n\r\n")
    answer(conn, b"final")


def do_drip(conn, request):
    """A byte each now and then: slow, but alive."""
    count, pause = int(request.query["count"]), int(request.query["ms"])
    conn.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n".encode())
    for _ in range(count):
        threading.Event().wait(pause / 1000)
        conn.sendall(b".")


def do_silence(_conn, _request):
    FOREVER.wait()


def do_open(conn, _request):
    """Headers of a stream on which nothing is said."""
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    FOREVER.wait()


def do_none(_conn, _request):
    with LOCK:
        STATS["none"] += 1
    return False


def do_garbage(conn, _request):
    conn.sendall(b"220 mail.example ESMTP\r\n\r\n")
    return False


def do_reset(conn, _request):
    reset(conn)
    return False


def do_long_line(conn, _request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nX-Long: " + b"v" * 300000 + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def do_stats(conn, _request):
    with LOCK:
        text = " ".join(f"{name}={value}" for name, value in STATS.items())
    answer(conn, text.encode())


def do_peer(conn, _request):
    """Who the client says it is: SHA-256 of its certificate, or "none"."""
    der = conn.getpeercert(binary_form=True)
    answer(conn, hashlib.sha256(der).hexdigest().encode() if der else b"none")


def do_cut(conn, request):
    """An answer that ends with a reset after a number of bytes."""
    whole = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 20\r\n\r\n" + b"." * 20
    conn.sendall(whole[: int(request.query["at"])])
    reset(conn)
    return False


def do_echo(conn, request):
    answer(conn, request.head + b"\r\n\r\n" + request.body)


ROUTES = {
    "/ok": lambda c, r: answer(
        c,
        b"hello",
        fields=[("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Content-Type", "text/plain")],
    ),
    "/redirect": lambda c, r: answer(c, b"moved", "302 Found", [("Location", "/ok")]),
    "/busy": lambda c, r: answer(c, b"later", "429 Too Many Requests", [("Retry-After", "7")]),
    "/cookie": lambda c, r: answer(c, b"", fields=[("Set-Cookie", "a=b; Path=/")]),
    "/big": lambda c, r: answer(c, b"x" * int(r.query["bytes"])),
    "/empty": lambda c, r: answer(c, b"", "204 No Content"),
    "/stream": do_stream,
    "/headers": do_headers,
    "/long-line": do_long_line,
    "/partial": do_partial,
    "/chunked": do_chunked,
    "/bad-chunk": do_bad_chunk,
    "/interim": do_interim,
    "/drip": do_drip,
    "/silence": do_silence,
    "/open": do_open,
    "/none": do_none,
    "/garbage": do_garbage,
    "/reset": do_reset,
    "/stats": do_stats,
    "/peer": do_peer,
    "/cut": do_cut,
    "/echo": do_echo,
}


def serve(conn):
    while True:
        request = read_request(conn)
        if request is None:
            return
        if request.method == "HEAD":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        elif ROUTES[request.path](conn, request) is False:
            return


def shake_hands(conn):
    """After a failure waits until the peer has gone: a reset could overtake the alert that says why."""
    try:
        conn.do_handshake()
    except OSError:
        socket.socket.shutdown(conn, socket.SHUT_WR)
        conn.settimeout(5)
        while socket.socket.recv(conn, 65536):
            pass
        raise


def handle(conn, context):
    with LOCK:
        STATS["connections"] += 1
    try:
        if context is not None:
            conn = context.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
            shake_hands(conn)
        serve(conn)
    except OSError:
        pass
    try:
        conn.close()
    except OSError:
        pass


def copy(source, sink):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
    except OSError:
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def handle_proxy(conn, _context):
    """CONNECT proxy for user "porter", password "sesame"; other hosts than loopback do not exist."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return
        data += more
    if b"Proxy-Authorization: Basic cG9ydGVyOnNlc2FtZQ==" not in data:
        conn.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        conn.close()
        return
    port = int(data.split()[1].rpartition(b":")[2])
    target = socket.create_connection(("127.0.0.1", port))
    conn.sendall(b"HTTP/1.1 200 OK\r\nRetry-After: 55\r\n\r\n")
    threading.Thread(target=copy, args=(target, conn), daemon=True).start()
    copy(conn, target)


def accept_all(listener, handler, context):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=handler, args=(conn, context), daemon=True).start()


def listen(name, handler, context=None, path=None):
    if path is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        print(name, listener.getsockname()[1])
    listener.listen(256)
    threading.Thread(target=accept_all, args=(listener, handler, context), daemon=True).start()


def tls(path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def asks(path, authority, mode):
    """TLS that asks for a client certificate of this authority."""
    context = tls(path)
    context.verify_mode = mode
    context.load_verify_locations(cadata=authority.pem().decode())
    return context


def main():
    folder = pathlib.Path(sys.argv[1])
    extra, system, stranger = Authority("Extra CA"), Authority("System CA"), Authority("Stranger")
    (folder / "extra.pem").write_bytes(extra.pem())
    (folder / "store").mkdir()
    (folder / "store" / "system.pem").write_bytes(system.pem())
    subprocess.run(["openssl", "rehash", folder / "store"], check=True)
    here = ["127.0.0.1", "localhost"]
    listen("good", handle, tls(extra.leaf(folder / "good.pem", here)))
    listen("system", handle, tls(system.leaf(folder / "system.pem", here)))
    listen("stranger", handle, tls(stranger.leaf(folder / "stranger.pem", here)))
    listen("misnamed", handle, tls(extra.leaf(folder / "misnamed.pem", ["other.example"])))
    listen("expired", handle, tls(extra.leaf(folder / "expired.pem", here, expired=True)))
    old = tls(folder / "good.pem")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    listen("old", handle, old)
    root = Authority("Device Root")
    issuer = Authority("Device Issuer", root)
    for name in ("a", "b"):
        client(folder, name, issuer)
    client(folder, "late", issuer, expired=True)
    client(folder, "stranger", stranger)
    listen("demands", handle, asks(folder / "good.pem", root, ssl.CERT_REQUIRED))
    listen("asks", handle, asks(folder / "good.pem", root, ssl.CERT_OPTIONAL))
    listen("plain", handle)
    listen("proxy", handle_proxy)
    listen("sock", handle, path=str(folder / "sock"))
    mute = socket.create_server(("127.0.0.1", 0))
    print("mute", mute.getsockname()[1])
    print("ready", os.getpid(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
