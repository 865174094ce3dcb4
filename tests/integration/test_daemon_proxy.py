"""A device that reaches the cloud through a proxy only: by config.yaml or by the environment, with credentials that show
up nowhere."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import Iterator

import pytest

from support.daemon import Daemon
from support.device import Site, ended, running_site

USER, PASSWORD = "gate", "p-55w0rd"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Proxy:
    """CONNECT for whoever knows the password; keeps the targets asked for."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.targets: list[str] = []
        self.refused = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, credentials: str = f"{USER}:{PASSWORD}@") -> str:
        return f"http://{credentials}127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        with contextlib.suppress(OSError), client:
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            if f"Proxy-Authorization: Basic {BASIC}\r\n".encode() not in head:
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            target = head.split(b" ")[1].decode()
            self.targets.append(target)
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=copy, args=(server, client), daemon=True)
                back.start()
                copy(client, server)
                back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as one:
        yield one


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    one = Proxy()
    yield one
    one.listener.close()


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    one = site.daemon()
    key = base64.b64encode(b"k" * 32).decode()
    site.admin.enroll_key(site.name(), key)
    one.use_dps_key(site.name(), b"k" * 32)
    with ended(one):
        yield one
    site.calm()


def hidden(daemon: Daemon) -> None:
    log = daemon.log_text()
    assert PASSWORD not in log and BASIC not in log
    assert "through the proxy 'http://***@127.0.0.1:" in log


def test_proxy_of_config_yaml(site: Site, daemon: Daemon, proxy: Proxy) -> None:
    daemon.config["cloud"]["https_proxy"] = proxy.url()
    site.wait_accepted(daemon.start)
    ports = {target.rsplit(":", 1)[1] for target in proxy.targets}
    assert ports == {site.emulator.dps_url.rsplit(":", 1)[1], site.emulator.hub_host.rsplit(":", 1)[1]}
    hidden(daemon)


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_proxy_of_the_environment(site: Site, daemon: Daemon, proxy: Proxy, name: str) -> None:
    daemon.env = {name: proxy.url()}
    site.wait_accepted(daemon.start)
    assert proxy.targets
    hidden(daemon)


def test_no_proxy_goes_around_it(site: Site, daemon: Daemon, proxy: Proxy) -> None:
    daemon.env = {"https_proxy": proxy.url(), "no_proxy": "example.org,localhost"}
    site.wait_accepted(daemon.start)
    assert proxy.targets == []


def test_proxy_that_refuses_is_named_without_its_password(site: Site, daemon: Daemon, proxy: Proxy) -> None:
    daemon.config["cloud"]["https_proxy"] = proxy.url(f"{USER}:wrong-one@")
    daemon.start()
    daemon.wait_log("Provisioning failed: .*proxy")
    assert proxy.refused > 0 and "wrong-one" not in daemon.log_text()
