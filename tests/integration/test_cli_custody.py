"""What an operator does for the keys of the device: its own CA into the TPM, the store bound to PCRs and back."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import socketserver
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Optional

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import process
from support.daemon import IOTEDGE, Daemon, Reply
from support.device import running_device
from support.device_certs import DeviceCa, PrivateKey
from support.engine import Engine
from support.issued import ask_server, get_bundle, get_server, verify
from support.module_image import Module
from support.tpm2 import Tpm2

PCR = 16  # the one that tests may extend and reset
CODE = re.compile(r"([A-Z2-7]{4}-){7}[A-Z2-7]{4}")


def run(daemon: Daemon, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    daemon.write_config()
    return subprocess.run([str(IOTEDGE), "tpm", *words, "-c", str(daemon.config_file)], input=stdin,
                          capture_output=True, text=True, timeout=120)


def run_plain(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(IOTEDGE), *words, "-c", str(daemon.config_file)], capture_output=True, text=True,
                          timeout=120)


def status(daemon: Daemon) -> dict[str, Any]:
    return dict(json.loads(run_plain(daemon, "status", "--json").stdout))


def good(daemon: Daemon, *words: str, stdin: str = "") -> dict[str, Any]:
    done = run(daemon, *words, "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, ""), done
    return dict(json.loads(done.stdout))


def refused(daemon: Daemon, expected: str, *words: str, stdin: str = "", code: int = 1) -> str:
    done = run(daemon, *words, stdin=stdin)
    assert done.returncode == code and expected in done.stderr and done.stdout == "", done
    return done.stderr


def extend(tpm2: Tpm2, digit: str = "1") -> None:
    tpm2.run("pcrextend", f"{PCR}:sha256={digit * 64}")


class Ca:
    """An operator's CA in files, as config.yaml names them."""

    def __init__(self, folder: Path, daemon: Daemon, key: Optional[PrivateKey] = None) -> None:
        root = DeviceCa("root")
        ca = DeviceCa("device CA", root, path_length=1, key=key)
        self.key = ca.key
        self.cert_file, self.key_file, self.root_file = (folder / n for n in ("ca.pem", "ca.key", "root.pem"))
        self.cert_file.write_text(ca.pem)
        self.root_file.write_text(root.pem)
        self.write_key()
        daemon.config["certificates"] = {"device_ca_cert": str(self.cert_file), "device_ca_pk": str(self.key_file),
                                         "trusted_ca_certs": str(self.root_file)}

    def pem(self, passphrase: Optional[bytes] = None, old_form: bool = False) -> str:
        kind = serialization.PrivateFormat
        cipher = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return str(self.key.private_bytes(serialization.Encoding.PEM,
                                          kind.TraditionalOpenSSL if old_form else kind.PKCS8, cipher).decode())

    def write_key(self, **form: Any) -> None:
        self.key_file.write_text(self.pem(**form))
        self.key_file.chmod(0o600)

    @property
    def name(self) -> str:
        spki = self.key.public_key().public_bytes(serialization.Encoding.DER,
                                                  serialization.PublicFormat.SubjectPublicKeyInfo)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(spki)
        return "ca-" + digest.finalize().hex()[:32]


@pytest.fixture
def ca(daemon: Daemon, tmp_path: Path) -> Ca:
    return Ca(tmp_path, daemon)


@pytest.mark.parametrize("running", (False, True))
def test_import_ca(daemon: Daemon, ca: Ca, running: bool) -> None:
    if running:
        daemon.start()
    assert good(daemon, "import-ca") == {"name": ca.name, "kind": "P-256", "place": "tpm", "file": str(ca.key_file),
                                         "deleted": False}
    text = run(daemon, "import-ca", "--delete")
    assert text.returncode == 0 and "is in the TPM" in text.stdout and "was deleted" in text.stdout, text
    assert not ca.key_file.exists() and ca.cert_file.exists()
    assert good(daemon, "import-ca", "--key", "-", stdin=ca.pem(old_form=True))["file"] is None
    secret = ca.key.private_numbers().private_value.to_bytes(32, "big")
    for file in daemon.home.rglob("*"):
        assert not file.is_file() or secret not in file.read_bytes(), file
    assert not running or "BEGIN" not in daemon.log_text()


def test_import_of_a_key_that_the_tpm_cannot_hold(daemon: Daemon, tmp_path: Path) -> None:
    big = Ca(tmp_path, daemon, rsa.generate_private_key(public_exponent=65537, key_size=4096))
    big.write_key(old_form=True)
    answer = good(daemon, "import-ca", "--delete")
    assert (answer["kind"], answer["place"], answer["deleted"]) == ("RSA-4096", "sealed", True)
    assert "kept encrypted" in run(daemon, "import-ca", "--key", "-", stdin=big.pem()).stdout


def test_import_ca_says_what_is_wrong(daemon: Daemon, ca: Ca, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text(DeviceCa().leaf("other").key_pem)
    refused(daemon, "not that of the certificate", "import-ca", "--key", str(other), "--delete")
    assert other.exists()
    refused(daemon, "no private key in PEM form", "import-ca", "--key", str(ca.cert_file), "--delete")
    assert ca.cert_file.exists()
    refused(daemon, "No such file", "import-ca", "--key", str(tmp_path / "none"))
    refused(daemon, "needs a file", "import-ca", "--key", "-", "--delete", code=2)
    assert ca.pem()[40:60] not in refused(daemon, "command line", "import-ca", ca.pem()[40:60], code=2)
    ca.write_key(passphrase=b"secret")
    refused(daemon, "encrypted", "import-ca")
    ca.key_file.unlink()
    refused(daemon, "ca.key", "import-ca", "--delete")
    link = tmp_path / "link"
    link.symlink_to(other)
    refused(daemon, "no regular file", "import-ca", "--key", str(link), "--delete")
    del daemon.config["certificates"]["device_ca_pk"]
    refused(daemon, "--key", "import-ca")
    del daemon.config["certificates"]["device_ca_cert"]
    refused(daemon, "makes a CA itself", "import-ca", "--key", str(other))


def test_reseal_and_recover(daemon: Daemon, ca: Ca, tpm2: Tpm2, tmp_path: Path) -> None:
    assert good(daemon, "reseal", "--show")["state"] == "none"
    good(daemon, "import-ca")
    assert good(daemon, "reseal", "--show")["state"] == "open"
    daemon.config["tpm"]["pcrs"] = [PCR]
    file = tmp_path / "code"
    answer = good(daemon, "reseal", "--recovery-file", str(file))
    assert (answer["state"], answer["pcrs"], answer["recoveryFile"]) == ("bound", [PCR], str(file))
    assert CODE.fullmatch(file.read_text().strip()) and file.stat().st_mode & 0o777 == 0o600
    refused(daemon, "exists", "reseal", "--recovery-file", str(file))

    extend(tpm2)
    assert good(daemon, "reseal", "--show")["state"] == "locked"
    text = run(daemon, "reseal", "--show").stdout
    assert "does not open" in text and "--recover" in text
    unused = tmp_path / "unused"
    refused(daemon, "--recover", "reseal", "--recovery-file", str(unused))
    assert not unused.exists()
    refused(daemon, "", "reseal", "--recover", stdin="AAAA-" * 7 + "AAAA")
    refused(daemon, "not complete", "reseal", "--recover", stdin="AAAA")
    assert good(daemon, "reseal", "--recover", stdin=file.read_text().lower())["state"] == "bound"
    good(daemon, "import-ca")
    extend(tpm2, "2")
    assert good(daemon, "reseal", "--recover", "--recovery-file", str(file))["state"] == "bound"
    assert good(daemon, "import-ca")["name"] == ca.name


@pytest.mark.parametrize(("state", "kept"), [("bound", True), ("open", False), ("locked", False), (None, True)])
def test_a_code_that_may_be_in_use_is_kept(daemon: Daemon, tmp_path: Path, state: Optional[str], kept: bool) -> None:
    """The daemon says that it failed: it may have done so after the store was bound."""
    class Failing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: dict[str, Any]) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.answer(503, {"message": "it took too long"})

        def do_GET(self) -> None:
            if state is None:
                self.answer(503, {"message": "it took too long"})
            else:
                self.answer(200, {"state": state, "text": None, "pcrs": [], "hasPlanned": False})

    daemon.config["tpm"]["pcrs"] = [PCR]
    file = tmp_path / "code"
    daemon.mgmt.parent.mkdir(parents=True, exist_ok=True)
    with socketserver.UnixStreamServer(str(daemon.mgmt), Failing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            text = refused(daemon, "it took too long", "reseal", "--recovery-file", str(file))
            shown = on_terminal(daemon)
        finally:
            server.shutdown()
            thread.join()
    assert file.exists() is kept and ("keep it until" in text) is kept, text
    assert not kept or CODE.fullmatch(file.read_text().strip())
    assert shown.returncode == 1 and (b"was not shown" in shown.stderr) is kept, shown


def on_terminal(daemon: Daemon) -> "subprocess.CompletedProcess[bytes]":
    daemon.write_config()
    ours, theirs = pty.openpty()
    done = subprocess.run([str(IOTEDGE), "tpm", "reseal", "-c", str(daemon.config_file)], stdin=subprocess.DEVNULL,
                          stdout=theirs, stderr=subprocess.PIPE, timeout=120)
    os.write(theirs, b"\n")
    os.close(theirs)
    done.stdout = os.read(ours, 65536)
    os.close(ours)
    return done


def test_recovery_code_on_a_terminal(daemon: Daemon) -> None:
    daemon.config["tpm"]["pcrs"] = [PCR]
    done = on_terminal(daemon)
    assert done.returncode == 0 and done.stderr == b"", done
    shown = done.stdout.decode()
    found = CODE.search(shown)
    assert found and "keep it away from this device" in shown, shown
    assert good(daemon, "reseal", "--recover", stdin=found.group())["state"] == "bound"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_root_works_as_the_owner_of_the_state(daemon: Daemon, ca: Ca, tmp_path: Path) -> None:
    """And still deletes what only root may."""
    nobody = 65534
    tmp_path.chmod(0o700)
    daemon.folder.parent.chmod(0o755)
    os.chown(daemon.home, nobody, nobody)
    daemon.config["tpm"]["pcrs"] = [PCR]
    assert good(daemon, "import-ca", "--delete")["deleted"] is True
    assert not ca.key_file.exists()
    good(daemon, "reseal", "--recovery-file", str(tmp_path / "code"))
    assert (tmp_path / "code").stat().st_uid == 0
    assert all(f.stat().st_uid == nobody for f in daemon.home.rglob("*"))
    daemon.config["tpm"]["tcti"] = "swtpm:host=127.0.0.1,port=1"
    refused(daemon, "", "reseal", "--recovery-file", str(tmp_path / "unused"))
    assert not (tmp_path / "unused").exists()


def test_planned_changes(daemon: Daemon, ca: Ca, tpm2: Tpm2, tmp_path: Path) -> None:
    good(daemon, "import-ca")
    daemon.config["tpm"]["pcrs"] = str(PCR)
    assert good(daemon, "reseal", "--recovery-file", str(tmp_path / "1"))["state"] == "bound"
    assert good(daemon, "reseal", "--suspend")["state"] == "open"
    extend(tpm2)
    assert good(daemon, "reseal", "--show")["state"] == "open"
    extend(tpm2, "2")
    later = tpm2.run("pcrread", f"sha256:{PCR}").decode().split("0x")[1].strip().lower()
    tpm2.run("pcrreset", str(PCR))
    extend(tpm2)
    answer = good(daemon, "reseal", "--recovery-file", str(tmp_path / "2"), "--also", f"{PCR}={later}")
    assert answer["state"] == "bound" and answer["hasPlanned"] is True
    extend(tpm2, "2")
    assert good(daemon, "reseal", "--show")["state"] == "bound"
    extend(tpm2, "3")
    assert good(daemon, "reseal", "--show")["state"] == "locked"


def test_abandon(daemon: Daemon, ca: Ca, tpm2: Tpm2, tmp_path: Path) -> None:
    good(daemon, "import-ca")
    daemon.config["tpm"]["pcrs"] = [PCR]
    good(daemon, "reseal", "--recovery-file", str(tmp_path / "code"))
    refused(daemon, "nothing to give up", "reseal", "--abandon", "--yes")
    extend(tpm2)
    refused(daemon, "--yes", "reseal", "--abandon")
    assert good(daemon, "reseal", "--abandon", "--yes")["state"] == "none"
    assert any(".abandoned-" in f.name for f in daemon.home.rglob("*"))
    assert good(daemon, "import-ca")["place"] == "tpm"


def test_a_running_daemon_says_that_the_store_is_locked(daemon: Daemon, ca: Ca, tpm2: Tpm2, tmp_path: Path) -> None:
    good(daemon, "import-ca")
    daemon.config["tpm"]["pcrs"] = [PCR]
    good(daemon, "reseal", "--recovery-file", str(tmp_path / "code"))
    extend(tpm2)
    daemon.start()
    assert good(daemon, "reseal", "--show")["state"] == "locked"
    assert status(daemon)["sealedStore"]["state"] == "locked"
    daemon.wait_log("sealed store is locked.*reseal --recover")
    refused(daemon, "--recover", "reseal", "--recovery-file", str(tmp_path / "new"))
    code = (tmp_path / "code").read_text().strip()
    answer = good(daemon, "reseal", "--recover", stdin=code)
    assert (answer["state"], answer["pcrs"]) == ("bound", [PCR])
    assert code not in daemon.log_text() and code.replace("-", "") not in daemon.log_text()
    assert "An operator opened the sealed store" in daemon.log_text()
    report = status(daemon)
    assert (report["sealedStore"]["state"], report["resealNeeded"]) == ("bound", False)
    assert good(daemon, "import-ca")["name"] == ca.name
    daemon.stop()
    assert good(daemon, "reseal", "--show")["state"] == "bound"


def test_a_running_daemon_whose_store_was_given_up(engine: Engine) -> None:
    """Without a restart: modules sign as before, certificates and encryption begin anew."""
    def crypt(module: Module, way: str, **body: str) -> Reply:
        iv = base64.b64encode(b"0123456789abcdef").decode()
        return module.ask("POST", f"/modules/tempSensor/genid/{module.generation}/{way}", {**body, "initializationVector": iv})

    with running_device(engine) as device:
        daemon, sensor = device.daemon, device.module("tempSensor")
        daemon.config["tpm"]["pcrs"] = [PCR]
        daemon.restart()
        signature, box = sensor.sign(b"text").json(), crypt(sensor, "encrypt", plaintext="dGV4dA==").json()
        old_chain, old_bundle = get_server(sensor, "gateway.test").chain, get_bundle(daemon, "old")
        good(daemon, "reseal", "--recovery-file", str(daemon.folder / "code"))
        assert daemon.stop() == 0
        extend(Tpm2(device.swtpm.tcti, daemon.folder / "tools"))
        daemon.start()
        process.wait_until(lambda: status(daemon)["sealedStore"]["state"] == "locked", "the daemon knows of it")
        assert "--recover" in status(daemon)["sealedStore"]["text"]
        for reply in (crypt(sensor, "encrypt", plaintext="dGV4dA=="), crypt(sensor, "decrypt", **box),
                      ask_server(sensor, "gateway.test")):
            assert reply.status == 503 and "iotedge status" in reply.message, reply
        assert sensor.sign(b"text").json() == signature

        pid = daemon.pid
        assert good(daemon, "reseal", "--abandon", "--yes")["state"] == "none"
        daemon.wait_log("An operator gave up the sealed store")
        process.wait_until(lambda: ask_server(sensor, "gateway.test").status == 201, "certificates are made again")
        issued, bundle = get_server(sensor, "gateway.test"), get_bundle(daemon)
        assert set(issued.chain).isdisjoint(old_chain)
        assert verify(issued.chain_file, bundle) == "" and verify(issued.chain_file, old_bundle) != ""
        made = crypt(sensor, "encrypt", plaintext="dGV4dA==").json()
        assert crypt(sensor, "decrypt", **made).json() == {"plaintext": "dGV4dA=="}
        assert crypt(sensor, "decrypt", **box).status == 400
        assert sensor.sign(b"text").json() == signature
        report = status(daemon)
        assert (report["sealedStore"]["state"], report["resealNeeded"]) == ("open", True)
        assert {c["name"] for c in report["certificates"]} >= {"owner CA", "device CA", "workload CA"}
        assert daemon.pid == pid


def test_status_shows_certificates(daemon: Daemon, tmp_path: Path) -> None:
    daemon.config["tpm"]["pcrs"] = [PCR]
    daemon.start()
    process.wait_until(lambda: bool(status(daemon)["certificates"]), "the daemon has its certificates")
    report = status(daemon)
    assert {c["name"]: c["source"] for c in report["certificates"]} == {
        "owner CA": "quickstart", "device CA": "quickstart", "workload CA": "quickstart"}
    assert all(c["daysLeft"] > 80 for c in report["certificates"]) and report["resealNeeded"] is True
    text = run_plain(daemon, "status").stdout
    assert re.search(r"Certificates:  owner CA \(quickstart\), 36\d\d days left, until", text), text
    assert "Sealed store:  open\n" in text and "'iotedge tpm reseal'" in text


def test_daemon_uses_the_imported_ca(daemon: Daemon, ca: Ca) -> None:
    """With the file of the private key gone."""
    good(daemon, "import-ca", "--delete")
    del daemon.config["certificates"]["device_ca_pk"]
    daemon.start()
    process.wait_until(lambda: bool(status(daemon)["certificates"]), "the daemon has its certificates")
    sources = {c["name"]: c["source"] for c in status(daemon)["certificates"]}
    assert sources["device CA"] == "operator" and "workload CA" in sources
    assert status(daemon)["certificatesNote"] is None


def test_reseal_options(daemon: Daemon, tmp_path: Path) -> None:
    file = ("--recovery-file", str(tmp_path / "code"))
    refused(daemon, "exclude each other", "reseal", "--suspend", "--recover", code=2)
    refused(daemon, "belongs to --abandon", "reseal", "--yes", code=2)
    refused(daemon, "command line", "reseal", "ABCD-EFGH", code=2)
    refused(daemon, "tpm.pcrs is not set", "reseal", *file)
    daemon.config["tpm"]["pcrs"] = [PCR]
    refused(daemon, "shown on a terminal only", "reseal")
    refused(daemon, "64 hex digits", "reseal", *file, "--also", f"{PCR}=00")
    refused(daemon, "tpm.pcrs does not have", "reseal", *file, "--also", "1=" + "0" * 64)
    daemon.use_keys_in_files()
    refused(daemon, "", "reseal", "--suspend")
    assert not (tmp_path / "code").exists()
