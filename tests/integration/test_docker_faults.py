"""The daemon's Engine client against engines of other versions and engines that misbehave."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest

from support.mock import MockEngine, Process
from support.probe import Watch, probe

ID = "1ef0bf51bef50422269679234cc94ce441db3c821fdb5a5beb1cd467b4e260ff"


@pytest.fixture
def mock(work_dir: Path) -> Iterator[MockEngine]:
    engine = MockEngine(work_dir / "engine.sock")
    engine.containers.append(Process(ID, "mod-a", pids=(4711, 4712), inner_pids=(1, 7)))
    engine.start()
    yield engine
    engine.stop()


@pytest.mark.parametrize(
    "profile, version",
    [("docker-20.10", "1.41"), ("docker-24", "1.43"), ("docker-29.0", "1.52"), ("podman-4.3", "1.41")],
)
def test_versions(mock: MockEngine, profile: str, version: str) -> None:
    mock.use(profile)
    (answer,) = probe(mock.socket, "inspect", "mod-a")
    assert answer["code"] == "ok" and answer["containers"][0]["id"] == ID
    assert mock.requests == ["/version", f"/v{version}/containers/mod-a/json?size=false"]


@pytest.mark.parametrize("profile", ["docker-99", "docker-1.10"])
def test_no_common_version(mock: MockEngine, profile: str) -> None:
    mock.use(profile)
    (answer,) = probe(mock.socket, "info")
    assert answer["code"] == "unsupported"
    for number in (mock.profile.api, mock.profile.minimum, "1.24", "1.52"):
        assert number in answer["error"]


def test_one_negotiation_for_many(mock: MockEngine) -> None:
    answers = probe(mock.socket, "repeat", "40", "inspect", "mod-a")
    assert [a["code"] for a in answers] == ["ok"] * 40
    assert mock.requests.count("/version") == 1


def test_podman_pids_are_the_hosts(mock: MockEngine) -> None:
    mock.use("podman-4.3")
    assert probe(mock.socket, "top", "mod-a")[0]["pids"] == [4711, 4712]


def test_complaint_about_the_version(mock: MockEngine) -> None:
    """As from an engine behind a proxy that is upgraded between two calls."""
    mock.fail("/info", "status", 1, 400, '{"message":"client version 1.41 is too old. Minimum supported API version is 1.44"}')
    assert probe(mock.socket, "info")[0]["code"] == "ok"
    assert mock.requests == ["/version", "/v1.41/info", "/version", "/v1.41/info"]


@pytest.mark.parametrize(
    "kind, codes",
    [
        ("status", {"remote"}),
        ("drop", {"network"}),
        ("garbage", {"network", "protocol"}),
        ("truncate", {"network", "protocol"}),
        ("oversize", {"out_of_range"}),
        ("chunk", {"network", "protocol"}),
        ("body", {"parse", "protocol"}),
    ],
)
@pytest.mark.parametrize("path", ["/version", "/containers/json"])
def test_faults(mock: MockEngine, path: str, kind: str, codes: set[str]) -> None:
    mock.fail(path, kind)
    started = time.monotonic()
    (answer,) = probe(mock.socket, "list")
    assert answer["code"] in codes, answer
    assert answer["error"]
    assert time.monotonic() - started < 10
    mock.faults.clear()
    assert probe(mock.socket, "list")[0]["code"] == "ok"


def test_error_text_is_clean(mock: MockEngine) -> None:
    mock.fail("/info", "status", body='{"message":"bad\\u001b[31m\\nnews"}')
    error = probe(mock.socket, "info")[0]["error"]
    assert "bad [31m news" in error


def test_hang_has_an_end(mock: MockEngine) -> None:
    mock.fail("/containers/mod-a/json", "hang")
    started = time.monotonic()
    assert probe(mock.socket, "inspect", "mod-a")[0]["code"] == "timeout"
    assert 8 < time.monotonic() - started < 15


def test_process_list_without_ps_options(mock: MockEngine) -> None:
    """A host whose ps does not know the default options."""
    mock.fail("ps_args=$", "status", body='{"message":"ps: unrecognized option: e"}')
    assert probe(mock.socket, "top", "mod-a")[0]["pids"] == [4711, 4712]


def test_upgrade_under_a_watch(mock: MockEngine) -> None:
    with Watch(mock.socket) as watch:
        watch.expect("connected", "")
        mock.stop()
        watch.expect("lost", "")
        mock.use("docker-29.0")
        mock.start()
        watch.expect("connected", "", timeout_s=30)
        assert watch.rest() == []
    assert mock.requests[-1].startswith("/v1.52/events?filters=")


def test_events_refused(mock: MockEngine) -> None:
    """A proxy before the engine that does not let events through: lost, and asked for ever more slowly."""
    mock.fail("/events", "status", status=403, body='{"message":"no"}')
    with Watch(mock.socket) as watch:
        watch.expect("lost", "")
        time.sleep(4)
        assert watch.rest() == []
    assert len(mock.requests) <= 2 * 16


# --- What changes modules ---


@pytest.mark.parametrize(
    "profile, version",
    [("docker-20.10", "1.41"), ("docker-24", "1.43"), ("docker-29.0", "1.52"), ("podman-4.3", "1.41")],
)
def test_versions_of_changes(mock: MockEngine, profile: str, version: str) -> None:
    mock.use(profile)
    calls = {
        ("create", "mod-b", "{}"): "POST /v{v}/containers/create?name=mod-b",
        ("start", "mod-a"): f"POST /v{{v}}/containers/{ID}/start",
        ("stop", "mod-a", "5"): f"POST /v{{v}}/containers/{ID}/stop?t=5",
        ("remove", "mod-a"): f"DELETE /v{{v}}/containers/{ID}?v=false&force=true",
        ("pull", "registry.test/x:1"): "POST /v{v}/images/create?fromImage=registry.test%2Fx%3A1",
        ("network", "net"): "POST /v{v}/networks/create",
    }
    for what, sent in calls.items():
        assert probe(mock.socket, *what)[-1]["code"] == "ok", what
        assert mock.requests[-1] == sent.format(v=version)


@pytest.mark.parametrize(
    "kind, codes",
    [
        ("status", {"remote"}),
        ("drop", {"network"}),
        ("garbage", {"network", "protocol"}),
        ("truncate", {"network", "protocol"}),
        ("chunk", {"network", "protocol"}),
    ],
)
@pytest.mark.parametrize("path", ["/json", "/(start|stop|restart)", "force=true"])
def test_faults_of_changes(mock: MockEngine, path: str, kind: str, codes: set[str]) -> None:
    for what in ("start", "stop", "restart", "remove"):
        if path == "/json" or (what == "remove") == (path == "force=true"):
            mock.faults.clear()
            mock.fail(path, kind)
            answer = probe(mock.socket, what, "mod-a")[-1]
            assert answer["code"] in codes and answer["error"], (what, answer)
            mock.faults.clear()
            assert probe(mock.socket, what, "mod-a")[-1]["code"] == "ok"


@pytest.mark.parametrize(
    "kind, body, codes",
    [
        ("status", '{"message":"no space left on device"}', {"remote"}),
        ("drop", None, {"network"}),
        ("garbage", None, {"network", "protocol"}),
        ("truncate", None, {"network", "protocol", "malformed"}),
        ("chunk", None, {"network", "protocol", "malformed"}),
        ("oversize", None, {"malformed"}),
        ("stream", "", {"protocol"}),
        ("stream", '{"status":"x"}\nnot JSON', {"malformed"}),
        ("stream", '{"status":"x"}\n[1]', {"malformed"}),
        ("stream", '{"status":"x"}\n{"status":"half', {"protocol"}),
        ("stream", '{"status":"' + "x" * 300000 + '"}', {"out_of_range"}),
        ("stream", '{"status":"x"}\n{"error":"disk","errorDetail":{"message":"disk full"}}', {"remote"}),
        ("stream", '{"status":"x"}\n{"error":"unauthorized: go away"}', {"denied"}),
        ("cut", '{"status":"x"}\n{"status":"y"}', {"network", "protocol"}),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,  # all of it is in the environment of what is run
)
def test_faults_of_pulls(mock: MockEngine, kind: str, body: str, codes: set[str]) -> None:
    mock.fail("/images/create", kind, body=body)
    answer = probe(mock.socket, "pull", "registry.test/x:1")[-1]
    assert answer["code"] in codes, answer
    mock.faults.clear()
    assert probe(mock.socket, "pull", "registry.test/x:1")[-1]["code"] == "ok"


def test_engine_goes_away_in_a_pull(mock: MockEngine) -> None:
    """And is another one afterwards."""
    mock.fail("/images/create", "cut", body='{"status":"Downloading"}')
    assert probe(mock.socket, "pull", "registry.test/x:1")[-1]["code"] in ("network", "protocol")
    mock.faults.clear()
    mock.use("docker-29.0")
    assert probe(mock.socket, "pull", "registry.test/x:1")[-1]["code"] == "ok"


@pytest.mark.parametrize(
    "kind, opened, codes",
    [
        ("status", False, {"remote"}),
        ("drop", False, {"network"}),
        ("garbage", False, {"network", "protocol"}),
        ("truncate", True, {"network", "protocol"}),
        ("chunk", True, {"network", "protocol"}),
        ("cut", True, {"network", "protocol"}),
    ],
)
def test_faults_of_logs(mock: MockEngine, kind: str, opened: bool, codes: set[str]) -> None:
    mock.fail("/logs", kind)
    answers = probe(mock.socket, "logs", "mod-a")
    assert answers[-1]["code"] in codes
    assert ("open" in answers[0]) == opened


def test_lookup_of_another_kind(mock: MockEngine) -> None:
    """An engine that answers for something else is not obeyed."""
    for text in ("[]", '{"Id":"x"}', '{"Id":"' + ID + '","Name":"/mod-a","Config":{"Labels":[]}}'):
        mock.faults.clear()
        mock.fail("/json", "body", body=text)
        before = len(mock.requests)
        assert probe(mock.socket, "remove", "mod-a")[-1]["code"] == "protocol"
        assert not any(r.startswith("DELETE") for r in mock.requests[before:])
