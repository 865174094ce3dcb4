"""Every way a device gets its hub and its credential, up to a hub that accepts it, and what happens to the credential:
keys move from config.yaml into the key store, certificate files are renewed."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from support import process
from support.daemon import Daemon
from support.device import Site, ended, running_site
from support.device_certs import DeviceCa, DeviceCertificate, self_signed
from support.keys import derive_key


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as one:
        yield one


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    """Without state and not running; at the end the cloud has nothing to complain of."""
    with ended(site.daemon()) as one:
        yield one
    site.check_manners()


def b64(key: bytes) -> str:
    return base64.b64encode(key).decode()


def new_key() -> bytes:
    return os.urandom(32)


# How a device is made known and its daemon configured


def dps_tpm(site: Site, daemon: Daemon) -> None:
    site.admin.reset()
    daemon.enroll()


def dps_key(site: Site, daemon: Daemon) -> None:
    key = new_key()
    site.admin.enroll_key(site.name(), b64(key), device_id=f"{site.name()}-at-hub")
    daemon.use_dps_key(site.name(), key)


def dps_group_key(site: Site, daemon: Daemon) -> None:
    master = new_key()
    site.admin.enroll_key_group(f"group-{site.made}", b64(master))
    daemon.use_dps_key(site.name(), derive_key(master, site.name()))


def dps_x509(site: Site, daemon: Daemon) -> None:
    own = self_signed(site.name())
    site.admin.enroll_x509(own.cert_pem)
    daemon.use_dps_x509(own.write(daemon.folder))


def dps_group_x509(site: Site, daemon: Daemon) -> None:
    ca = DeviceCa("factory")
    site.admin.enroll_x509_group(f"group-{site.made}", ca.pem)
    daemon.use_dps_x509(ca.intermediate("line 7").leaf(site.name(), kind="rsa").write(daemon.folder))


def manual_padded(site: Site, daemon: Daemon) -> None:
    site.admin.create_device(site.name(), primary_key=b64(new_key()), edge=True)
    text = site.admin.connection_string(site.name())
    assert text.endswith("=")
    daemon.use_connection_string(text)


def manual_unpadded(site: Site, daemon: Daemon) -> None:
    manual_padded(site, daemon)
    own = daemon.config["provisioning"]["authentication"]
    own["device_connection_string"] = own["device_connection_string"].rstrip("=")


def manual_old_form(site: Site, daemon: Daemon) -> None:
    manual_padded(site, daemon)
    text = daemon.config["provisioning"].pop("authentication")["device_connection_string"]
    daemon.config["provisioning"]["device_connection_string"] = text


def manual_x509(site: Site, daemon: Daemon) -> None:
    own = self_signed(site.name())
    site.admin.create_device(site.name(), certificate=own.cert_pem, edge=True)
    daemon.use_manual_x509(site.emulator.hub_host, site.name(), own.write(daemon.folder))


def external_key(site: Site, daemon: Daemon) -> None:
    key = b64(new_key())
    site.admin.create_device(site.name(), primary_key=key, edge=True)
    site.admin.set_external(site.name(), site.emulator.hub_host, key=key)
    daemon.use_external(site.emulator.external_url)


def external_unix(site: Site, daemon: Daemon) -> None:
    external_key(site, daemon)
    daemon.use_external(site.emulator.external_unix_url)


def external_certificate(site: Site) -> DeviceCertificate:
    own = self_signed(site.name())
    site.admin.create_device(site.name(), certificate=own.cert_pem, edge=True)
    return own


def external_x509(site: Site, daemon: Daemon) -> None:
    own = external_certificate(site)
    site.admin.set_external(site.name(), site.emulator.hub_host, auth_type="x509", certificate=own.cert_pem,
                            private_key=own.key_pem)
    daemon.use_external(site.emulator.external_url)


def external_references(site: Site, daemon: Daemon) -> None:
    cert, key = external_certificate(site).write(daemon.folder)
    site.admin.set_external(site.name(), site.emulator.hub_host, auth_type="x509", source="hsm",
                            certificate=cert.as_uri(), private_key=str(key))
    daemon.use_external(site.emulator.external_unix_url)


Mode = Callable[[Site, Daemon], None]
BY_CERTIFICATE = [dps_x509, dps_group_x509, manual_x509, external_x509, external_references]
MODES = [dps_tpm, dps_key, dps_group_key, manual_padded, manual_unpadded, manual_old_form, external_key, external_unix,
         *BY_CERTIFICATE]
WITHOUT_TPM = [dps_key, manual_unpadded, dps_group_x509, external_key]


@pytest.mark.parametrize("mode,backend", [*[(m, "tpm") for m in MODES], *[(m, "soft") for m in WITHOUT_TPM]],
                         ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_mode_reaches_the_hub(site: Site, daemon: Daemon, mode: Mode, backend: str) -> None:
    if backend == "soft":
        daemon.use_keys_in_files()
    mode(site, daemon)
    site.wait_accepted(daemon.start)
    proof = "certificate" if mode in BY_CERTIFICATE else "token"
    assert proof in site.last("hub.list")
    # The same again, from what was saved.
    site.wait_accepted(daemon.restart_to_list)
    assert "Using the saved identity" in daemon.log_text()
    assert proof in site.last("hub.list")


# Keys move into the key store


def holds(folder: Path, key: bytes) -> list[Path]:
    """Files with the key in any form that somebody could have written it in."""
    forms = [key, b64(key).rstrip("=").encode(), key.hex().encode(), key.hex().upper().encode()]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


def line_of(path: Path, word: str) -> int:
    return next(i for i, line in enumerate(path.read_text().splitlines(), 1) if word in line)


def test_connection_string_is_imported_and_the_key_deleted(site: Site, daemon: Daemon) -> None:
    manual_padded(site, daemon)
    own = daemon.config["provisioning"]["authentication"]
    text = own["device_connection_string"]
    site.wait_accepted(daemon.start)
    said = daemon.wait_log(r"The key in '(.*)':(\d+) is in the key store and can be deleted from the file")
    assert said.group(1) == str(daemon.config_file)
    assert int(said.group(2)) == line_of(daemon.config_file, "device_connection_string:")
    own["device_connection_string"] = text[:text.index(";SharedAccessKey=")]
    site.wait_accepted(daemon.restart_to_list)
    assert "can be deleted" not in daemon.log_text()
    daemon.use_manual(method="tpm", iothub_hostname=site.emulator.hub_host, device_id=site.name())
    site.wait_accepted(daemon.restart_to_list)
    assert holds(daemon.home, base64.b64decode(text[text.index("SharedAccessKey=") + 16:])) == []


def test_symmetric_key_is_imported_and_deleted(site: Site, daemon: Daemon) -> None:
    dps_key(site, daemon)
    own = daemon.config["provisioning"]["attestation"]
    site.wait_accepted(daemon.start)
    line = line_of(daemon.config_file, "symmetric_key: ")
    daemon.wait_log(rf"The key in .*:{line} is in the key store and can be deleted")
    key = base64.b64decode(own.pop("symmetric_key"))
    before = site.admin.count("dps.assigned", 200)
    site.wait_accepted(daemon.restart_to_list)
    # It signs for the DPS, too.
    process.wait_until(lambda: site.admin.count("dps.assigned", 200) > before, "registers again")
    assert holds(daemon.home, key) == []


@pytest.mark.parametrize("backend", ["tpm", "soft"])
def test_private_key_of_a_payload_is_kept_sealed(site: Site, daemon: Daemon, backend: str) -> None:
    if backend == "soft":
        daemon.use_keys_in_files()
    external_x509(site, daemon)
    site.wait_accepted(daemon.start)
    assert list(daemon.state.glob("external-*.cert.pem")) and not list(daemon.state.glob("external-*.key.pem"))
    clear = [path for path in daemon.home.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert clear == [] or backend == "soft"


def test_key_that_was_never_given_is_asked_for(site: Site, daemon: Daemon) -> None:
    daemon.use_manual(method="tpm", iothub_hostname=site.emulator.hub_host, device_id="somebody")
    daemon.start()
    daemon.wait_log("no key for 'hub:localhost:.*/somebody'.*iotedge tpm import-key")
    assert daemon.is_running()


@pytest.mark.parametrize("backend", ["tpm", "soft"])
def test_another_key_in_the_file_replaces_the_old_one(site: Site, daemon: Daemon, backend: str) -> None:
    if backend == "soft":
        daemon.use_keys_in_files()
    manual_padded(site, daemon)
    site.wait_accepted(daemon.start)
    daemon.wait_log("hub holds the current keys")
    site.admin.change_device(site.emulator.hub_host, site.name(), rotate="both")
    daemon.use_connection_string(site.admin.connection_string(site.name()))
    site.wait_accepted(daemon.restart_to_list)
    assert site.admin.journal("refusals") == []


# Certificate files


def thumbprint_at_hub(site: Site) -> str:
    return str(site.last("hub.list")["certificate"]["thumbprint"])


def module_root(daemon: Daemon) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in (daemon.state / "keys").glob("module-root*")}
    assert found
    return found


def test_renewed_certificate_is_used_without_a_restart(site: Site, daemon: Daemon) -> None:
    """The keys of the modules do not change with it."""
    ca = DeviceCa("factory")
    first = ca.leaf(site.name())
    site.admin.create_device(site.name(), ca=ca.pem, edge=True)
    daemon.use_manual_x509(site.emulator.hub_host, site.name(), first.write(daemon.folder))
    site.admin.set_fault("hub.list", "status", status=500)
    daemon.start()
    site.emulator.wait_fired("hub.list")
    assert thumbprint_at_hub(site) == first.thumbprint
    second = ca.renew(first)
    second.write(daemon.folder)
    root = module_root(daemon)
    site.wait_accepted(lambda: None)
    assert thumbprint_at_hub(site) == second.thumbprint
    assert module_root(daemon) == root


@pytest.mark.parametrize("half", [False, True], ids=["whole", "half"])
def test_next_registration_is_made_with_the_renewed_certificate(site: Site, daemon: Daemon, half: bool) -> None:
    """With the old one as long as the files do not fit each other."""
    ca = DeviceCa("factory")
    first = ca.leaf(site.name())
    site.admin.enroll_x509_group(f"group-{site.made}", ca.pem, hub_auth="ca")
    daemon.use_dps_x509(first.write(daemon.folder))
    daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    site.wait_accepted(daemon.start)
    site.wait_accepted(daemon.restart_to_list)
    before = site.admin.count("dps.assigned", 200)
    second = ca.renew(first)
    if half:
        (daemon.folder / "device.cert.pem").write_text(second.cert_pem)
    else:
        second.write(daemon.folder)
    assert daemon.manage("POST", "/edged/reprovision", {}).status < 300
    process.wait_until(lambda: site.admin.count("dps.assigned", 200) > before, "registers again")
    assert site.last("dps.assigned")["certificate"]["thumbprint"] == (first if half else second).thumbprint


def test_renewed_certificate_registers_where_the_hub_knows_thumbprints(site: Site, daemon: Daemon) -> None:
    ca = DeviceCa("factory")
    first = ca.leaf(site.name())
    site.admin.enroll_x509_group(f"group-{site.made}", ca.pem)
    daemon.use_dps_x509(first.write(daemon.folder))
    daemon.config["provisioning"]["always_reprovision_on_startup"] = False
    site.wait_accepted(daemon.start)
    daemon.wait_log("hub holds the current keys")
    assert daemon.stop() == 0
    registered = site.admin.count("dps.assigned", 200)
    site.admin.set_fault("hub.list", "status", status=500)
    daemon.forget_module_keys()
    daemon.start()
    site.emulator.wait_fired("hub.list")
    second = ca.renew(first)
    second.write(daemon.folder)
    site.wait_accepted(lambda: None, 60)
    assert thumbprint_at_hub(site) == second.thumbprint
    assert site.admin.count("dps.assigned", 200) == registered + 1
