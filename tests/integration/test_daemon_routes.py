"""Every route under every api-version, called by whom it is for, by others in containers, and by a process of the host; with a client
that is as strict on the wire as edgeAgent's own."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support.daemon import call
from support.device import Device, running_device
from support.engine import Engine
from support.module_image import Module
from support.routes import ROUTES, VERSIONS, Route, printed
from support.wire import Answer, ask

NOT_FOUND, REFUSED = {"message": "not found"}, {"message": "Module not found"}
ALLOWED = {
    "anonymous": {"agent", "sensor", "other", "stranger", "host"},
    "control": {"agent", "sensor", "other", "stranger", "host"},
    "caller": {"sensor"},
    "edge_agent": {"agent"},
    "host": {"host"},
    "owner": {"host"},
}
RIGHT = {"anonymous": "other", "control": "other", "caller": "sensor", "edge_agent": "agent", "host": "host", "owner": "host"}


class Callers:
    """Who may ask: edgeAgent, two modules, a container that is not ours, and this process."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.modules = {
            "agent": device.agent,
            "sensor": device.module("sensor"),
            "other": device.module("other"),
            "stranger": device.modules.run("stranger", labels={}),
        }

    def socket(self, who: str, service: str) -> Path:
        if who == "host":
            return self.device.daemon.mgmt if service == "mgmt" else self.device.daemon.work
        module: Module = self.modules[who]
        return module.mgmt if service == "mgmt" else module.work

    def ask(self, who: str, route: Route, version: str, words: dict[str, str], *, slash: str = "",
            service: str = "") -> Answer:
        target = f"{fill(route.call, words)}{slash}?api-version={version}"
        body = None if route.body is None else fill(route.body, words)
        return ask(str(self.socket(who, service or route.service)), route.method, target, body, timeout_s=60)


def fill(what: Any, words: dict[str, str]) -> Any:
    """What stands in braces, anywhere in a text or JSON."""
    text = json.dumps(what)
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


@pytest.fixture(scope="module")
def callers(engine: Engine) -> Iterator[Callers]:
    engine.clear()
    with running_device(engine) as device:
        yield Callers(device)
        engine.clear()


def words_of(version: str) -> dict[str, str]:
    return {"name": f"module-{version}", "generation": "1"}


def check_json(reply: Answer, what: object) -> Any:
    assert "transfer-encoding" not in reply.headers, (what, reply)
    return reply.json()


def check_right(route: Route, reply: Answer, what: object) -> Any:
    assert reply.status == route.status, (what, reply)
    if route.plain:
        assert reply.headers["transfer-encoding"] == "chunked", (what, reply)
        return None
    if route.members is None:
        assert reply.body == b"" and "content-type" not in reply.headers, (what, reply)
        return None
    body = check_json(reply, what)
    if route.members:
        assert route.members - route.optional <= set(body) <= route.members, (what, body)
    return body


def test_table_is_the_daemons() -> None:
    """A route that is added or changed has to be told here."""
    versions, routes = printed()
    assert tuple(versions) == VERSIONS
    assert sorted(routes) == sorted(route.key for route in ROUTES)


def test_every_route_and_version_and_caller(callers: Callers) -> None:
    """Wrong callers come first: what the right one needs must have outlived them."""

    def life(version: str) -> None:
        words = words_of(version)
        for route in ROUTES:
            what = f"{route.key} {version}"
            if version < route.since:
                for who in ("agent", "sensor", "host"):
                    reply = callers.ask(who, route, version, words)
                    assert (reply.status, check_json(reply, what)) == (404, NOT_FOUND), (what, who, reply)
                continue
            for who in sorted({"agent", "sensor", "other", "stranger", "host"} - ALLOWED[route.policy]):
                reply = callers.ask(who, route, version, words)
                assert (reply.status, check_json(reply, what)) == (404, REFUSED), (what, who, reply)
            body = check_right(route, callers.ask(RIGHT[route.policy], route, version, words), what)
            if isinstance(body, dict) and "generationId" in body:
                assert body["moduleId"] == words["name"] and body["authType"] == "Sas"
                words["generation"] = body["generationId"]
            elif isinstance(body, dict) and "status" in body and "config" in body:
                assert body["name"] == words["name"] and body["type"] == "docker"
                assert "auth" not in body["config"]["settings"]

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(life, VERSIONS):
            pass


@pytest.mark.parametrize("who", ["agent", "sensor", "stranger", "host"])
def test_what_is_for_everybody(callers: Callers, who: str) -> None:
    """From containers that are none of ours too: diagnostics is one."""
    words = {"name": "other", "generation": "1"}
    calls = [(route, slash) for route in ROUTES if route.policy == "anonymous" for slash in ("", "/")]
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda one: callers.ask(who, one[0], VERSIONS[-1], words, slash=one[1]), calls)
        for (route, _), answer in zip(calls, answers):
            check_right(route, answer, (route.key, who))


def outside(version: str) -> list[str]:
    """Queries that name none of the versions."""
    return ["", "?api-version=", f"?api-version={version}x", "?api-version=2021-05-11", f"?API-VERSION={version}"]


def test_no_version_no_route(callers: Callers) -> None:
    for route in ROUTES:
        for query in outside(route.since):
            for who in ("host", RIGHT[route.policy]):
                path = fill(route.call, words_of("none"))
                reply = ask(str(callers.socket(who, route.service)), route.method, f"{path}{query}", route.body)
                assert reply.status == 400 and list(check_json(reply, route.key)) == ["message"], (route.key, query, reply)


def test_neither_other_methods_nor_the_other_service(callers: Callers) -> None:
    keys = {(route.service, route.method, route.pattern) for route in ROUTES}
    others: dict[str, Callable[[Route], bool]] = {
        method: lambda route, method=method: (route.service, method, route.pattern) not in keys  # type: ignore[misc]
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
    }
    words = words_of("none")
    for route in ROUTES:
        path = f"{fill(route.call, words)}?api-version={VERSIONS[-1]}"
        for method, is_other in others.items():
            if is_other(route):
                reply = call(callers.socket("agent", route.service), method, path)
                assert reply.status == 404, (route.key, method, reply)
        elsewhere = "mgmt" if route.service == "work" else "work"
        if (elsewhere, route.method, route.pattern) not in keys:
            reply = callers.ask(RIGHT[route.policy], route, VERSIONS[-1], words, service=elsewhere)
            assert (reply.status, check_json(reply, route.key)) == (404, NOT_FOUND), (route.key, reply)
