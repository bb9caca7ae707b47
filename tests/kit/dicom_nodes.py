"""Real DICOM nodes on loopback: dcmtk's storescp, Orthanc, and an archive of pynetdicom that misbehaves on order."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import StorageCommitmentPushModelInstance

from actors.settings import SendNode
from tests.kit.sshd import free_port
from tests.kit.waiting import wait_until

COMMITMENT = UID("1.2.840.10008.1.20.1")
RT_DOSE = UID("1.2.840.10008.5.1.4.1.1.481.2")
CALLED = "ARCHIVE"
ABORT = -1
"""As a status: no answer, the association is aborted."""


def tool(name: str) -> str:
    """A program of Debian; the test skips where it is missing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def node(port: int, **keys: Any) -> SendNode:
    """The settings of a node on loopback."""
    return SendNode(**{"name": "pacs", "host": "127.0.0.1", "port": port, "called": CALLED, "timeout_s": 5.0, **keys})


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def storescp(folder: Path, *options: str, port: int = 0) -> Iterator[int]:
    """dcmtk's own: what it takes lies in ``folder``, to the bit; its port."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    command = [tool("storescp"), "--bit-preserving", "--aetitle", CALLED, "--output-directory", str(folder), *options]
    process = subprocess.Popen(
        [*command, str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: answers(port), 10, "storescp listens")
        yield port
    finally:
        _ended(process)


@dataclass(frozen=True)
class Orthanc:
    """A running one."""

    dicom: int
    http: int
    reports: int
    """Port at which it tells of commitments."""

    def ask(self, path: str) -> Any:
        return json.loads(self.raw(path))

    def raw(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def files(self) -> dict[str, bytes]:
        """SOP Instance UID → the file that it keeps."""
        found = {}
        for instance in self.ask("/instances"):
            uid = self.ask(f"/instances/{instance}/tags?simplify")["SOPInstanceUID"]
            found[uid] = self.raw(f"/instances/{instance}/file")
        return found

    def forget(self) -> None:
        """Everything that it keeps."""
        for patient in self.ask("/patients"):
            order = urllib.request.Request(f"http://127.0.0.1:{self.http}/patients/{patient}", method="DELETE")
            urllib.request.urlopen(order, timeout=10).close()


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    """Of Debian, with nothing but its core."""
    folder.mkdir()
    made = Orthanc(free_port(), free_port(), free_port())
    settings = {
        "Name": CALLED,
        "DicomAet": CALLED,
        "DicomPort": made.dicom,
        "DicomCheckCalledAet": True,
        "HttpPort": made.http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "DicomModalities": {"mqi": ["MQI", "127.0.0.1", made.reports]},
        "SyncStorageArea": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [tool("Orthanc"), str(folder / "orthanc.json")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait_until(lambda: answers(made.http) and answers(made.dicom), 30, "Orthanc listens")
            yield made
        finally:
            _ended(process)


@dataclass
class Archive:
    """What an archive of pynetdicom was asked, and how it behaves."""

    statuses: list[int] = field(default_factory=list)
    """Of the C-STOREs to come, one each; then success."""
    agrees: int = 0
    """Status of its answers to questions for commitment."""
    late: str = ""
    """UID of an earlier question, which it answers first, with a loss."""
    keeps: bool = True
    """What it answers to a question for commitment."""
    says_here: bool = True
    """It reports on the association on which it was asked; else to ``tell_port``; 0: never."""
    tell_port: int = 0
    tls: ssl.SSLContext | None = None
    """With which it tells ``tell_port``."""
    stored: list[str] = field(default_factory=list)
    asked: list[Dataset] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def on_store(self, event: evt.Event) -> int:
        status = self.statuses.pop(0) if self.statuses else 0
        if status == ABORT:
            event.assoc.abort()
        if status == 0:
            self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return status

    def on_action(self, event: evt.Event) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.agrees == ABORT:
            event.assoc.abort()
        if self.agrees:
            return self.agrees, None
        if self.says_here or self.tell_port:
            thread = threading.Thread(target=self._say, args=(event.assoc, event.action_information))
            self.threads.append(thread)
            thread.start()
        return 0, None

    def _say(self, association: Any, question: Dataset) -> None:
        if self.late:
            old = Dataset()
            old.TransactionUID = self.late
            old.FailedSOPSequence = [Dataset()]
            old.FailedSOPSequence[0].ReferencedSOPClassUID = RT_DOSE
            old.FailedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"
            association.send_n_event_report(old, 2, COMMITMENT, StorageCommitmentPushModelInstance)
        told = Dataset()
        told.TransactionUID = question.TransactionUID
        if self.keeps:
            told.ReferencedSOPSequence = question.ReferencedSOPSequence
        else:
            lost, *kept = question.ReferencedSOPSequence
            lost.FailureReason = 0x0112
            told.FailedSOPSequence = [lost]
            told.ReferencedSOPSequence = kept
        kind = 1 if self.keeps else 2
        if self.says_here:
            association.send_n_event_report(told, kind, COMMITMENT, StorageCommitmentPushModelInstance)
            return
        ae = AE(ae_title=CALLED)
        role = build_role(COMMITMENT, scp_role=True)
        own = ae.associate(
            "127.0.0.1",
            self.tell_port,
            contexts=[build_context(COMMITMENT)],
            ae_title="MQI",
            ext_neg=[role],
            tls_args=(self.tls, "127.0.0.1") if self.tls else None,
        )
        own.send_n_event_report(told, kind, COMMITMENT, StorageCommitmentPushModelInstance)
        own.release()


@contextmanager
def archive(
    behaviour: Archive,
    contexts: list[PresentationContext] | None = None,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Its port."""
    port = port or free_port()
    ae = AE(ae_title=CALLED)
    ae.supported_contexts = contexts or [build_context(RT_DOSE), build_context(COMMITMENT)]
    handlers = [(evt.EVT_C_STORE, behaviour.on_store), (evt.EVT_N_ACTION, behaviour.on_action)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=tls)  # type: ignore[arg-type]
    assert server is not None
    try:
        yield port
    finally:
        for thread in behaviour.threads:
            thread.join(10)
        server.shutdown()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "archive")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "node.crt", folder / "node.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    paths[1].write_bytes(pem)
    return paths


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
