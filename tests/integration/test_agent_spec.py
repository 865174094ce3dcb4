"""edgeAgent as `agent_spec` describes it, made by real engines."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml

from support.daemon import BUILD
from support.engine import IMAGE, OWNER_LABEL, OWNER_VALUE, Engine
from support.podman import Podman
from support.probe import probe

NETWORK = f"edged-test-{os.getpid()}"


@pytest.fixture(params=[Engine, Podman])
def engine(request: pytest.FixtureRequest, make_engine: Callable[..., Engine]) -> Engine:
    """A running engine with the image support.engine.IMAGE, of each kind."""
    one = make_engine(request.param)
    one.load_image()
    return one


@pytest.fixture
def network(engine: Engine) -> Iterator[str]:
    """The network of the modules, made as the daemon does; taken away again, as it is one of the whole machine."""
    assert probe(engine.socket, "network", NETWORK)[-1]["code"] == "ok"
    yield NETWORK
    engine.clear()
    engine.call("DELETE", f"/networks/{NETWORK}")


@pytest.fixture
def home(work_dir: Path) -> Iterator[Path]:
    """A homedir with the sockets that edgeAgent mounts."""
    folder = work_dir / "home"
    (folder / "mnt").mkdir(parents=True)
    sockets = []
    for path in (folder / "mgmt.sock", folder / "mnt" / "edgeAgent.sock"):
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        sockets.append(one)
    yield folder
    for one in sockets:
        one.close()


def create_body(home: Path, **options: Any) -> str:
    """What the daemon would ask the engine for."""
    config = home / "config.yaml"
    config.write_text(yaml.safe_dump({
        "provisioning": {"source": "dps", "global_endpoint": "https://dps.example", "scope_id": "0ne1",
                         "attestation": {"method": "tpm"}},
        "hostname": "Edge.Example",
        "homedir": str(home),
        "connect": {"management_uri": f"unix://{home}/mgmt.sock", "workload_uri": "unix:///run/workload.sock"},
        "moby_runtime": {"network": {"name": NETWORK}},
        "agent": {"env": {"RuntimeLogLevel": "debug"}, "config": {"image": IMAGE, "createOptions": options}},
    }))
    program = BUILD / "tests" / "unit" / "agent_spec_probe"
    done = subprocess.run([program, config, "hub.example.net", "dev-1", "6380"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_container_of_edge_agent(engine: Engine, network: str, home: Path) -> None:
    """Environment, labels, sockets and network are as edgeAgent needs them."""
    body = create_body(home, Cmd=["/bin/busybox", "sleep", "3600"], env=["A=b", "Mode=mine"],
                       hostConfig={"binds": [f"{home}:/home/edge:ro"], "Memory": 67108864})
    assert probe(engine.socket, "create", "edgeAgent", body)[-1]["code"] == "ok"
    if not isinstance(engine, Podman):  # which would write firewall rules for the network, and leave them
        assert probe(engine.socket, "start", "edgeAgent")[-1]["code"] == "ok"
    told = engine.call("GET", "/containers/edgeAgent/json")
    env = set(told["Config"]["Env"])
    assert {"IOTEDGE_IOTHUBHOSTNAME=hub.example.net", "EdgeDeviceHostName=edge.example", "IOTEDGE_DEVICEID=dev-1",
            "IOTEDGE_MODULEID=$edgeAgent", "IOTEDGE_MODULEGENERATIONID=6380", "Mode=iotedged", "A=b",
            f"IOTEDGE_MANAGEMENTURI=unix://{home}/mgmt.sock", "IOTEDGE_WORKLOADURI=unix:///run/workload.sock",
            f"IOTEDGE_WORKLOADLISTEN_MNTURI=unix://{home}/mnt", f"NetworkId={network}", "RuntimeLogLevel=debug"} <= env
    assert "Mode=mine" not in env
    labels = told["Config"]["Labels"]
    assert labels[OWNER_LABEL] == OWNER_VALUE and len(labels["net.azure-devices.edge.edged.spec"]) == 64
    assert labels["net.azure-devices.edge.create-options"] == labels["net.azure-devices.edge.env"] == "{}"
    mounts = {mount["Destination"]: mount["Source"] for mount in told["Mounts"]}
    assert mounts == {"/run/workload.sock": f"{home}/mnt/edgeAgent.sock", f"{home}/mgmt.sock": f"{home}/mgmt.sock",
                      "/home/edge": str(home)}
    assert told["HostConfig"]["Memory"] == 67108864
    assert list(told["NetworkSettings"]["Networks"]) == [network]
    # A network that config.yaml names keeps edgeAgent out of the modules' one; a mount stands for a socket.
    engine.clear()
    mount = {"Type": "bind", "Source": f"{home}/mgmt.sock", "Target": f"{home}/mgmt.sock"}
    body = create_body(home, Cmd=["/bin/busybox", "sleep", "3600"], HostConfig={"NetworkMode": "host", "Mounts": [mount]})
    assert probe(engine.socket, "create", "edgeAgent", body)[-1]["code"] == "ok"
    assert probe(engine.socket, "start", "edgeAgent")[-1]["code"] == "ok"
    told = engine.call("GET", "/containers/edgeAgent/json")
    assert told["HostConfig"]["NetworkMode"] == "host"
    assert {mount["Destination"] for mount in told["Mounts"]} == {"/run/workload.sock", f"{home}/mgmt.sock"}
