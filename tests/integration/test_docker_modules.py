"""What the daemon's Engine client does to modules, on a real engine and with a real registry."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from support import process
from support.engine import IMAGE, OURS, SLEEP, Engine
from support.probe import probe, program
from support.registry import PASSWORD, Registry, credentials


def body(*command: str, image: str = IMAGE, **more: Any) -> str:
    """What creates a module."""
    return json.dumps({"Image": image, "Cmd": list(command or SLEEP), "Labels": OURS,
                       "HostConfig": {"NetworkMode": "none"}, **more})


def act(engine: Engine, *what: str) -> dict[str, Any]:
    """The last answer of one run."""
    return probe(engine.socket, *what)[-1]


def state(engine: Engine, name: str) -> Any:
    return engine.call("GET", f"/containers/{name}/json")["State"]


def test_life_of_a_module(clean: Engine) -> None:
    assert act(clean, "create", "mod-a", body(Env=["K=V"]))["code"] == "ok"
    assert state(clean, "mod-a")["Status"] == "created"
    taken = act(clean, "create", "mod-a", body())
    assert taken["code"] == "conflict" and taken["native"] == 409 and "mod-a" in taken["error"]
    for _ in range(2):
        assert act(clean, "start", "mod-a")["code"] == "ok"
        assert state(clean, "mod-a")["Running"]
    module = act(clean, "module", "mod-a")
    assert module["name"] == "mod-a" and module["image"] == IMAGE and module["state"] == "running"
    assert module["labels"] == OURS and "K=V" in module["env"]
    assert module["image_id"].startswith("sha256:")
    before = state(clean, "mod-a")["Pid"]
    assert act(clean, "restart", "mod-a")["code"] == "ok"
    assert state(clean, "mod-a")["Pid"] not in (0, before)
    for _ in range(2):
        assert act(clean, "stop", "mod-a", "0")["code"] == "ok"
        assert not state(clean, "mod-a")["Running"]
    assert act(clean, "remove", "mod-a")["code"] == "ok"
    for what in ("start", "stop", "restart", "remove", "module", "logs"):
        gone = act(clean, what, "mod-a")
        assert gone["code"] == "not_found" and gone["native"] == 404, what


def test_others_are_left_alone(clean: Engine) -> None:
    other = clean.run("other")
    pid = other.pid
    for what in ("start", "stop", "restart", "remove", "logs"):
        for key in ("other", other.id, other.id[:12]):
            answer = act(clean, what, key)
            assert answer["code"] == "not_found", what
            assert "No such container" in answer["error"]
    assert act(clean, "module", "other")["code"] == "not_found"
    assert other.pid == pid


def test_creation_refused(clean: Engine) -> None:
    missing = act(clean, "create", "mod-a", body(image="nowhere.test/none:1"))
    assert missing["code"] == "not_found" and "nowhere.test/none:1" in missing["error"]
    assert act(clean, "create", "mod-a", "{")["code"] in ("invalid", "remote")
    wrong = act(clean, "create", "mod-a", body(HostConfig={"NetworkMode": "none", "Memory": 1}))
    assert wrong["code"] in ("invalid", "remote") and "memory" in wrong["error"].lower()
    assert not clean.call("GET", "/containers/json?all=true")


def test_start_fails_with_the_engines_words(clean: Engine) -> None:
    assert act(clean, "create", "mod-a", body("/no/such/program"))["code"] == "ok"
    answer = act(clean, "start", "mod-a")
    assert answer["code"] in ("invalid", "not_found", "remote")
    assert "/no/such/program" in answer["error"]


def test_stop_waits_as_the_module_wants(clean: Engine) -> None:
    """One that takes its time is not killed before it is over, and the call waits with it."""
    slow = ("/bin/sh", "-c", "trap 'sleep 3; exit 7' TERM; while :; do sleep 0.1; done")
    assert act(clean, "create", "mod-a", body(*slow, StopTimeout=20))["code"] == "ok"
    assert act(clean, "start", "mod-a")["code"] == "ok"
    time.sleep(0.5)
    started = time.monotonic()
    assert act(clean, "stop", "mod-a")["code"] == "ok"
    assert time.monotonic() - started > 2
    assert state(clean, "mod-a")["ExitCode"] == 7


def test_volumes_outlive_their_module(clean: Engine) -> None:
    write = ("/bin/sh", "-c", "echo kept > /data/file; sleep 3600")
    assert act(clean, "create", "mod-a", body(*write, Volumes={"/data": {}}))["code"] == "ok"
    assert act(clean, "start", "mod-a")["code"] == "ok"
    (mount,) = clean.call("GET", "/containers/mod-a/json")["Mounts"]
    process.wait_until(lambda: (Path(mount["Source"]) / "file").exists(), "the module writes")
    assert act(clean, "remove", "mod-a")["code"] == "ok"
    assert (Path(mount["Source"]) / "file").read_text() == "kept\n"
    clean.call("DELETE", f"/volumes/{mount['Name']}")


def test_stats(clean: Engine) -> None:
    clean.run("mod-a", OURS)
    stats = json.loads(act(clean, "stats", "mod-a")["json"])
    assert stats["name"] == "/mod-a" and "cpu_stats" in stats and "memory_stats" in stats
    assert act(clean, "stats", "nobody")["code"] == "not_found"


def test_engine_killed_in_the_middle(make_engine: Callable[..., Engine]) -> None:
    """Each step ends with a code, can be done again, and leaves one module: not none and not two."""
    engine = make_engine()
    engine.load_image()
    steps = [("create", "mod-a", body()), ("start", "mod-a"), ("stop", "mod-a", "0"), ("remove", "mod-a")]
    for step in steps:
        with subprocess.Popen([program(), str(engine.socket), *step], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as running:
            time.sleep(0.03)
            engine.kill()
            output, _ = running.communicate(timeout=60)
        assert json.loads(output.splitlines()[-1])["code"] in ("ok", "network", "protocol"), (step, output)
        engine.start()
        again = act(engine, *step)
        accepted = {"create": ("ok", "conflict"), "remove": ("ok", "not_found")}
        assert again["code"] in accepted.get(step[0], ("ok",)), (step, again)
        names = [c["Names"] for c in engine.call("GET", "/containers/json?all=true")]
        assert names == ([] if step[0] == "remove" else [["/mod-a"]])


# --- Logs ---


def frames(answers: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    """The frames of a stream: (1 for output or 2 for errors, bytes)."""
    data = b"".join(base64.b64decode(a["data"]) for a in answers if "data" in a)
    found = []
    while data:
        length = int.from_bytes(data[4:8], "big")
        assert data[1:4] == b"\0\0\0" and len(data) >= 8 + length
        found.append((data[0], data[8:8 + length]))
        data = data[8 + length:]
    return found


def module(engine: Engine, script: str, **config: Any) -> None:
    engine.run("mod-a", OURS, command=("/bin/sh", "-c", script), **config)


def test_logs(clean: Engine) -> None:
    module(clean, "echo one; sleep 0.3; echo two >&2; sleep 0.3; echo three", Tty=False)
    clean.call("POST", "/containers/mod-a/wait")
    answers = probe(clean.socket, "logs", "mod-a")
    assert answers[0]["open"] == 200
    assert frames(answers) == [(1, b"one\n"), (2, b"two\n"), (1, b"three\n")]
    assert answers[-1]["code"] == "ok" and answers[-1]["bytes"] == 3 * 8 + 14
    assert frames(probe(clean.socket, "logs", "mod-a", "no", "1")) == [(1, b"three\n")]
    assert frames(probe(clean.socket, "logs", "mod-a", "no", "0")) == []


def test_logs_of_a_terminal_are_plain(clean: Engine) -> None:
    module(clean, "echo one")
    clean.call("POST", "/containers/mod-a/wait")
    answers = probe(clean.socket, "logs", "mod-a")
    assert base64.b64decode(answers[1]["data"]) == b"one\r\n"


def test_logs_are_followed_to_the_end(clean: Engine) -> None:
    module(clean, "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done", Tty=False)
    started = time.monotonic()
    answers = probe(clean.socket, "logs", "mod-a", "yes")
    assert [text for _, text in frames(answers)] == [b"%d\n" % i for i in range(1, 6)]
    assert answers[-1]["code"] == "ok"
    assert time.monotonic() - started > 0.5
    assert len([a for a in answers if "data" in a]) >= 3  # as they came, not at the end


def test_slow_reader_holds_the_engine_back(clean: Engine) -> None:
    """A module that writes as fast as it can does not fill our memory."""
    module(clean, "while :; do cat /bin/busybox; done", Tty=False)
    with subprocess.Popen([program(), str(clean.socket), "logs", "mod-a", "yes", "all", "slow"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
        try:
            status = Path(f"/proc/{reader.pid}/status")
            time.sleep(1.5)
            before = _resident_kib(status)
            time.sleep(3)
            assert _resident_kib(status) - before < 2048
            assert reader.poll() is None
            clean.call("DELETE", "/containers/mod-a?force=true")
        finally:
            reader.kill()


def _resident_kib(status: Path) -> int:
    (line,) = [text for text in status.read_text().splitlines() if text.startswith("VmRSS:")]
    return int(line.split()[1])


# --- Images ---


def test_pull(clean: Engine, make_registry: Callable[..., Registry]) -> None:
    registry = make_registry()
    name = registry.push(clean, IMAGE, "fleet/module", "1", "2", "latest")
    answers = probe(clean.socket, "pull", f"{name}:1")
    assert answers[-1]["code"] == "ok"
    assert any("Pulling" in a.get("progress", "") for a in answers)
    assert act(clean, "pull", name)["code"] == "ok"
    assert {f"{name}:1", f"{name}:latest"} <= set(act(clean, "image", f"{name}:1")["tags"])
    assert act(clean, "image", f"{name}:2")["code"] == "not_found"
    digests = clean.call("GET", f"/images/{name}:1/json")["RepoDigests"]
    assert act(clean, "pull", next(d for d in digests if d.startswith(name)))["code"] == "ok"
    for missing in (f"{name}:9", f"{registry.host}/fleet/none"):
        answer = act(clean, "pull", missing)
        assert answer["code"] == "not_found", answer
    assert act(clean, "create", "mod-a", body(image=f"{name}:1"))["code"] == "ok"
    used = act(clean, "image-remove", f"{name}:1")
    assert used["code"] in ("ok", "conflict")  # ok: only the name goes, others hold the image
    clean.call("DELETE", "/containers/mod-a?force=true")
    for tag in ("1", "latest", "9"):
        assert act(clean, "image-remove", f"{name}:{tag}")["code"] == "ok"
    registry.stop()
    away = act(clean, "pull", f"{name}:1")
    assert away["code"] == "remote" and "refused" in away["error"]


def test_pull_with_a_password(clean: Engine, make_registry: Callable[..., Registry]) -> None:
    registry = make_registry(True)
    name = registry.push(clean, IMAGE, "secret/module", "1")
    for wrong in ((), (credentials(password="wrong"),), ("{}",)):
        answer = act(clean, "pull", f"{name}:1", *wrong)
        assert answer["code"] == "denied", answer
        assert PASSWORD not in answer["error"]
    assert act(clean, "pull", f"{name}:1", credentials())["code"] == "ok"
    assert act(clean, "pull", f"{name}:2", credentials())["code"] == "not_found"
    assert act(clean, "image-remove", f"{name}:1")["code"] == "ok"


def test_image_in_use_stays(clean: Engine) -> None:
    clean.load_image("edged-test/only")
    clean.run("mod-a", OURS, image="edged-test/only", start=False)
    answer = act(clean, "image-remove", "edged-test/only:latest")
    assert answer["code"] == "conflict" and "edged-test/only" in answer["error"]
    assert act(clean, "remove", "mod-a")["code"] == "ok"
    assert act(clean, "image-remove", "edged-test/only:latest")["code"] == "ok"


# --- Networks ---


def test_network(clean: Engine) -> None:
    def names() -> list[str]:
        return [n["Name"] for n in clean.call("GET", "/networks") if "edge-test" in n["Name"]]

    try:
        assert act(clean, "network", "my-edge-test-net")["code"] == "ok"
        for _ in range(2):  # the longer name does not hide that it is missing
            assert act(clean, "network", "edge-test-net")["code"] == "ok"
            assert sorted(names()) == ["edge-test-net", "my-edge-test-net"]
    finally:
        for name in names():
            clean.call("DELETE", f"/networks/{name}")
