"""The daemon's Engine client against a real engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

from support import process
from support.engine import OURS, OWNER_LABEL, Engine
from support.probe import Watch, probe


def test_list_shows_ours_only(clean: Engine) -> None:
    a = clean.run("mod-a", OURS)
    clean.run("mod-b")
    stopped = clean.run("mod-c", OURS, start=False)
    (answer,) = probe(clean.socket, "list")
    assert answer["code"] == "ok"
    found = {c["name"]: c for c in answer["containers"]}
    assert sorted(found) == ["mod-a", "mod-c"]
    assert found["mod-a"]["id"] == a.id and found["mod-a"]["running"] and found["mod-a"]["owned"]
    assert found["mod-c"]["id"] == stopped.id and not found["mod-c"]["running"]


def test_inspect(clean: Engine) -> None:
    a = clean.run("mod-a", OURS)
    b = clean.run("mod-b")
    for key in (a.id, "mod-a"):
        (answer,) = probe(clean.socket, "inspect", key)
        (found,) = answer["containers"]
        assert (found["id"], found["name"], found["owned"]) == (a.id, "mod-a", True)
        assert found["running"] and found["pid"] == a.pid
        assert abs(found["started"] - os.stat(f"/proc/{a.pid}").st_ctime) < 30
    assert not probe(clean.socket, "inspect", b.id)[0]["containers"][0]["owned"]
    a.kill()
    a.wait()
    (found,) = probe(clean.socket, "inspect", "mod-a")[0]["containers"]
    assert not found["running"] and found["pid"] == 0
    missing = probe(clean.socket, "inspect", "nobody")[0]
    assert missing["code"] == "not_found" and missing["native"] == 404
    assert "nobody" in missing["error"]


def test_top_lists_host_pids(clean: Engine) -> None:
    a = clean.run("mod-a", OURS, command=("/bin/sh", "-c", "sleep 3600 & sleep 3600; true"))
    process.wait_until(lambda: len(probe(clean.socket, "top", "mod-a")[0]["pids"]) == 3, "three processes")
    pids = probe(clean.socket, "top", a.id)[0]["pids"]
    assert a.pid in pids
    for pid in pids:
        assert a.id in Path(f"/proc/{pid}/cgroup").read_text()
    a.kill()
    a.wait()
    assert probe(clean.socket, "top", "mod-a")[0]["code"] == "conflict"
    assert probe(clean.socket, "top", "nobody")[0]["code"] == "not_found"


def test_cgroup_names_the_container(clean: Engine) -> None:
    """What the kernel says of a container's process is what the engine calls it, for exec'd processes too."""
    a = clean.run("mod-a", OURS)
    code, text = a.exec("cat", "/proc/self/cgroup")
    assert code == 0
    for view in (Path(f"/proc/{a.pid}/cgroup").read_text(), text):
        assert any(line.rstrip().endswith((a.id, f"docker-{a.id}.scope", ":/")) for line in view.splitlines())


def test_info(clean: Engine) -> None:
    answer = probe(clean.socket, "info")[0]
    truth = clean.call("GET", "/info")
    assert answer["os_type"] == "linux"
    assert answer["architecture"] == truth["Architecture"]
    assert answer["server_version"] == truth["ServerVersion"]
    assert answer["kernel_version"] == truth["KernelVersion"]
    assert answer["operating_system"] == truth["OperatingSystem"]
    assert answer["cpus"] == truth["NCPU"]
    assert answer["total_memory"] == truth["MemTotal"]


def test_a_container_is_found_by_the_name_that_it_got_before_its_start(clean: Engine) -> None:
    """An update makes it under another one; others on its network know the module's."""
    network = clean.call("POST", "/networks/create", {"Name": "edge", "Driver": "bridge"})["Id"]
    try:
        asker = clean.run("asker", OURS, host_config={"NetworkMode": "edge"})
        clean.run("sensor.edged-next", OURS, host_config={"NetworkMode": "edge"}, start=False)
        assert probe(clean.socket, "rename", "sensor.edged-next", "sensor")[-1]["code"] == "ok"
        assert probe(clean.socket, "start", "sensor")[-1]["code"] == "ok"
        code, text = asker.exec("/bin/busybox", "nslookup", "sensor")
        assert code == 0, text
    finally:
        clean.clear()
        clean.call("DELETE", f"/networks/{network}")


def test_an_image_says_too_much(clean: Engine) -> None:
    """The containers of others are known all the same, and its own can be removed."""
    shouts = ["/bin/busybox", "true", "<" * 1_600_000]  # each is six bytes long in the engine's JSON
    ports = {f"{port}/tcp": {} for port in range(1, 30000)}
    labels = {**{f"net.azure-devices.edge.{i}": "" for i in range(100_000)}, f"{OWNER_LABEL}x": "x" * 9_000_000}
    clean.run("sensor", OURS)
    clean.run("loud", {**labels, **OURS}, command=shouts, ExposedPorts=ports, start=False)
    for what in ("list", "modules"):
        answer = probe(clean.socket, what)[-1]
        assert answer["code"] == "ok", answer
        assert {one["name"] for one in answer["containers" if what == "list" else "modules"]} == {"sensor", "loud"}
    assert probe(clean.socket, "inspect", "loud")[-1]["code"] == "ok"
    assert probe(clean.socket, "remove", "loud")[-1]["code"] == "ok"
    assert [one["name"] for one in probe(clean.socket, "list")[-1]["containers"]] == ["sensor"]


def test_events(clean: Engine) -> None:
    with Watch(clean.socket) as watch:
        watch.expect("connected", "")
        a = clean.run("mod-a", OURS)
        watch.expect("started", a.id)
        probe(clean.socket, "top", "mod-a")
        a.exec("id")
        a.rename("mod-b")
        watch.expect("stopped", a.id)  # what was known of it is void
        a.kill()
        watch.expect("stopped", a.id)
        a.remove()
        watch.expect("stopped", a.id)
        assert watch.rest() == []


def test_engine_restarts(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    with Watch(engine.socket) as watch:
        watch.expect("connected", "")
        engine.kill()
        watch.expect("lost", "")
        assert probe(engine.socket, "info")[0]["code"] == "network"
        engine.start()
        watch.expect("connected", "", timeout_s=40.0)
        assert watch.rest() == []
