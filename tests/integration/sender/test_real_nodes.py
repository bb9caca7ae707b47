"""Dose files at real nodes: dcmtk's storescp and Orthanc, as they should be, refusing, hanging, gone and back."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage
from pynetdicom import build_context

from actors.documents.sending import Standing
from actors.errors import MqiError
from actors.sender import look_at, storing
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.sender.send import send
from actors.settings import SendNode
from messages.states import ReviewState
from tests.integration.reporter.published_cases import PublishedCase
from tests.kit.dicom_nodes import (
    ABORT,
    COMMITMENT,
    Archive,
    answers,
    archive,
    node,
    orthanc,
    self_signed,
    server_tls,
    storescp,
)
from tests.kit.sshd import free_port

GOOD = Standing("accepted", uncommissioned=False, partial=False, review=ReviewState.APPROVED)
THREE = ("beam_3.dcm", "beam_5.dcm", "sum.dcm")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "SLOWEST", 1e8)


def order(case: PublishedCase, to: SendNode, **keys: object) -> SendResult:
    made = SendResult(case.folder.name, str(case.folder), "", to, GOOD, ordered=False)
    return replace(made, **keys)  # type: ignore[arg-type]


def dataset_bytes(file: Path | bytes) -> bytes:
    """What of a file travels: all behind the file's own header."""
    content = file if isinstance(file, bytes) else file.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def sent(outcome: Sent | NotSent) -> Sent:
    assert isinstance(outcome, Sent), outcome
    return outcome


def not_sent(outcome: Sent | NotSent, why: Why, words: str = "") -> NotSent:
    assert isinstance(outcome, NotSent), outcome
    assert (outcome.why, words in outcome.sentence) == (why, True), outcome
    return outcome


def originals(case: PublishedCase) -> dict[str, Path]:
    return {
        str(dcmread(case.folder / name, stop_before_pixels=True).SOPInstanceUID): case.folder / name for name in THREE
    }


def compared(ours: Dataset, theirs: Dataset) -> None:
    """Every attribute, and the pixel data to the bit."""
    assert ours.keys() == theirs.keys()
    assert ours.PixelData == theirs.PixelData
    for element in ours:
        assert theirs[element.tag] == element, element


def test_storescp_gets_every_byte_and_gets_the_same_instances_again(case: PublishedCase, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp") as port:
        first = sent(send(order(case, node(port))))
        assert look_at(node(port)) == ""
        again = sent(send(order(case, node(port))))
    assert (first.sentence, again) == ("3 files", first)
    told = json.loads(first.answers)
    assert [one["file"] for one in told] == list(THREE)
    assert {one["status"] for one in told} == {"0000"}
    wanted = originals(case)
    assert {one["instance"] for one in told} == wanted.keys()
    files = list((tmp_path / "scp").iterdir())
    assert len(files) == 3, "twice sent, once there"
    for file in files:
        theirs = dcmread(file)
        ours = wanted[str(theirs.SOPInstanceUID)]
        assert dataset_bytes(file) == dataset_bytes(ours)
        compared(dcmread(ours), theirs)


def test_a_node_that_knows_only_the_default_syntax_gets_every_attribute(case: PublishedCase, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp", "+xi") as port:
        sent(send(order(case, node(port))))
    wanted = originals(case)
    for file in (tmp_path / "scp").iterdir():
        theirs = dcmread(file)
        assert theirs.file_meta.TransferSyntaxUID.is_implicit_VR
        compared(dcmread(wanted[str(theirs.SOPInstanceUID)]), theirs)


def test_orthanc_keeps_every_byte_and_says_so(case: PublishedCase, tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as theirs:
        to = node(theirs.dicom, commitment=True, commitment_port=theirs.reports)
        assert look_at(to) == ""
        sent(send(order(case, to)))
        kept = sent(send(order(case, to, commit=True, transaction="1")))
        files = theirs.files()
        early = order(case, to, commit=True, transaction="2")
        theirs.forget()
        lost = not_sent(send(early), Why.LOST, "does not keep beam_3.dcm")
        wrong = to.model_copy(update={"called": "OTHER"})
        refused = not_sent(send(order(case, wrong)), Why.NODE, "refuses the association of MQI")
    assert "keeps all 3 files" in kept.sentence
    assert all(one["committed"] for one in json.loads(kept.answers))
    assert [one["reason"] for one in json.loads(lost.answers)] == ["no such instance"] * 3
    assert "alled AE title" in refused.sentence
    wanted = originals(case)
    assert files.keys() == wanted.keys()
    for uid, content in files.items():
        assert dataset_bytes(content) == dataset_bytes(wanted[uid])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--refuse",), "refuses the association"),
        (("--abort-during",), "no answer to beam_3.dcm"),
        (("--abort-after",), "no answer to beam_3.dcm"),
        (("--sleep-after", "60"), "no answer to beam_5.dcm"),
    ],
)
def test_a_node_that_refuses_aborts_or_hangs_is_told_as_such(
    case: PublishedCase, tmp_path: Path, option: tuple[str, ...], words: str
) -> None:
    with storescp(tmp_path / "scp", *option) as port:
        not_sent(send(order(case, node(port, timeout_s=4.0))), Why.NODE, words)


def test_a_node_that_is_down_and_comes_back(case: PublishedCase, tmp_path: Path) -> None:
    port = free_port()
    assert not answers(port)
    not_sent(send(order(case, node(port))), Why.NODE, "cannot be reached: TCP")
    assert "cannot be reached" in look_at(node(port))
    with storescp(tmp_path / "scp", port=port):
        sent(send(order(case, node(port))))
    not_sent(send(order(case, node(port, host="no-such-host.invalid"))), Why.NODE, "cannot be reached")


def test_a_refused_file_ends_it_and_a_warning_does_not(case: PublishedCase) -> None:
    full = Archive(statuses=[0, 0xA700])
    with archive(full) as port:
        told = not_sent(send(order(case, node(port))), Why.REFUSED, "beam_5.dcm: it has no room (A700)")
        changed = Archive(statuses=[0xB000])
    assert len(full.stored) == 1
    assert [one["status"] for one in json.loads(told.answers)] == ["0000", "A700"]
    with archive(changed) as port:
        assert "it has changed elements (B000)" in sent(send(order(case, node(port)))).sentence


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xC001, "it cannot understand it"),
        (0x0122, "it takes no RT Dose"),
        (0x0110, "it says"),
        (0xA9FF, "do not match their class"),
    ],
)
def test_what_a_status_means_is_said(case: PublishedCase, status: int, words: str) -> None:
    with archive(Archive(statuses=[status])) as port:
        not_sent(send(order(case, node(port))), Why.REFUSED, f"{words} ({status:04X})")


@pytest.mark.parametrize(
    ("status", "why", "words"),
    [(0x0213, Why.REFUSED, "refuses to commit itself (0213)"), (ABORT, Why.NODE, "no answer to the question")],
)
def test_an_archive_that_does_not_commit_itself(case: PublishedCase, status: int, why: Why, words: str) -> None:
    with archive(Archive(agrees=status)) as port:
        not_sent(send(order(case, node(port, commitment=True), commit=True)), why, words)


def test_a_node_without_rt_dose_or_commitment(case: PublishedCase) -> None:
    with archive(Archive(), [build_context(CTImageStorage)]) as port:
        not_sent(send(order(case, node(port))), Why.NODE, "takes nothing of what was offered")
        assert "takes nothing" in look_at(node(port))
    with archive(Archive(), [build_context(storing.RTDoseStorage)]) as port:
        to = node(port, commitment=True)
        assert look_at(to) == "it offers no storage commitment"
    with archive(Archive(), [build_context(COMMITMENT)]) as port:
        assert look_at(node(port, commitment=True)) == "it offers no RT Dose"
    with archive(Archive(), [build_context(storing.RTDoseStorage)]) as port:
        to = node(port, commitment=True)
        not_sent(send(order(case, to, commit=True)), Why.NODE, "takes nothing")


@pytest.mark.parametrize("own_port", [False, True])
def test_an_archive_says_that_it_keeps_them_here_or_there(case: PublishedCase, *, own_port: bool) -> None:
    port = free_port() if own_port else 0
    behaviour = Archive(says_here=not own_port, tell_port=port)
    with archive(behaviour) as at:
        to = node(at, commitment=True, commitment_port=port)
        told = sent(send(order(case, to, commit=True, transaction="a")))
        behaviour.keeps = False
        lost = not_sent(send(order(case, to, commit=True, transaction="b")), Why.LOST)
    assert told.sentence == "ARCHIVE keeps all 3 files"
    assert lost.sentence == "ARCHIVE does not keep beam_3.dcm (no such instance)"
    transactions = {str(one.TransactionUID) for one in behaviour.asked}
    assert len(transactions) == 2, "each question is another one"


def test_a_word_on_an_earlier_question_is_none_on_this_one(case: PublishedCase) -> None:
    behaviour = Archive(late="2.25.1")
    with archive(behaviour) as at:
        sent(send(order(case, node(at, commitment=True), commit=True)))


def test_an_archive_is_asked_for_what_it_has_also_after_a_rejection(case: PublishedCase) -> None:
    rejected = replace(GOOD, review=ReviewState.REJECTED)
    with archive(Archive()) as at:
        to = node(at, commitment=True)
        sent(send(order(case, to, standing=rejected, commit=True)))
        not_sent(send(order(case, to, standing=rejected)), Why.WITHHELD, "it was rejected")


def test_an_archive_that_says_nothing_is_asked_again(case: PublishedCase) -> None:
    silent = Archive(says_here=False)
    with archive(silent) as at:
        to = node(at, commitment=True, commitment_wait_s=0.2)
        not_sent(send(order(case, to, commit=True)), Why.UNSAID, "has not said within 0.2 s")


def test_a_port_that_is_taken_is_said(case: PublishedCase) -> None:
    with archive(Archive()) as at, archive(Archive()) as taken:
        to = node(at, commitment=True, commitment_port=taken)
        not_sent(send(order(case, to, commit=True)), Why.NODE, f"port {taken} cannot be listened at")


@pytest.fixture
def copied(case: PublishedCase, tmp_path: Path) -> PublishedCase:
    folder = tmp_path / "results" / case.folder.name
    shutil.copytree(case.folder, folder)
    return PublishedCase(case.written, folder)


@pytest.mark.promise("P9")
@pytest.mark.parametrize("name", [*THREE, "engine_3.log", "manifest.json"])
def test_of_a_result_that_was_changed_nothing_leaves(copied: PublishedCase, name: str) -> None:
    file = copied.folder / name
    content = bytearray(file.read_bytes())
    published = hashlib.sha256((copied.folder / "manifest.json").read_bytes()).hexdigest()
    if name == "manifest.json":  # it says the same: only the ledger knows that it is not the one that was published
        content = bytearray(json.dumps(json.loads(content)).encode())
    else:
        content[-10] ^= 1
    file.write_bytes(content)
    behaviour = Archive()
    with archive(behaviour) as port, pytest.raises(MqiError) as caught:
        send(order(copied, node(port), result_sha256=published))
    assert caught.value.fault.kind == "result-changed"
    assert behaviour.stored == []


def test_the_manifest_has_the_last_word_over_the_rules(copied: PublishedCase) -> None:
    manifest = json.loads((copied.folder / "manifest.json").read_text())
    (copied.folder / "manifest.json").write_text(json.dumps({**manifest, "verdict": "suspect"}))
    with archive(Archive()) as port:
        not_sent(send(order(copied, node(port))), Why.WITHHELD, "it is suspect")
        sent(send(order(copied, node(port), ordered=True)))
        relative = {**manifest, "dose": {**manifest["dose"], "units": "RELATIVE"}}
        (copied.folder / "manifest.json").write_text(json.dumps(relative))
        not_sent(send(order(copied, node(port), ordered=True)), Why.WITHHELD, "relative")
        geometry = {**manifest["profile"], "content": {**manifest["profile"]["content"], "geometry": "phantom"}}
        (copied.folder / "manifest.json").write_text(json.dumps({**manifest, "profile": geometry}))
        not_sent(send(order(copied, node(port))), Why.WITHHELD, "in a phantom")
        with pytest.raises(MqiError, match="is labelled as a patient's dose"):
            send(order(copied, node(port), ordered=True))


def test_an_association_that_is_aborted_midway_is_begun_anew(case: PublishedCase) -> None:
    behaviour = Archive(statuses=[0, ABORT])
    with archive(behaviour) as port:
        told = not_sent(send(order(case, node(port))), Why.NODE, "no answer to beam_5.dcm")
        assert len(json.loads(told.answers)) == 1
        sent(send(order(case, node(port))))
    assert len(behaviour.stored) == 4
    assert set(behaviour.stored) == originals(case).keys()


def test_a_phantom_dose_goes_by_order_only_and_as_a_phantoms(phantom: PublishedCase, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp") as port:
        not_sent(send(order(phantom, node(port))), Why.WITHHELD, "in a phantom: it goes by order only")
        assert list((tmp_path / "scp").iterdir()) == []
        sent(send(order(phantom, node(port), ordered=True)))
    for file in (tmp_path / "scp").iterdir():
        theirs = dcmread(file, stop_before_pixels=True)
        assert (str(theirs.PatientName), theirs.PatientID) == ("PHANTOM^QA", f"PHANTOM-{phantom.folder.name}")
        assert "PHANTOM" in theirs.SeriesDescription


def test_tls_is_spoken_with_a_node_whose_certificate_is_known(case: PublishedCase, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    behaviour = Archive()
    with archive(behaviour, tls=server_tls(certificate, key)) as port:
        to = node(port, tls=True, ca_file=certificate)
        sent(send(order(case, to)))
        not_sent(send(order(case, node(port, tls=True))), Why.NODE, "cannot be reached")
        not_sent(send(order(case, node(port, timeout_s=1.0))), Why.NODE)
        assert look_at(to) == ""
        own = free_port()
        behaviour.says_here, behaviour.tell_port = False, own
        behaviour.tls = ssl.create_default_context(cafile=str(certificate))
        own_keys = {"cert_file": certificate, "key_file": key, "commitment": True, "commitment_port": own}
        to = to.model_copy(update=own_keys)
        sent(send(order(case, to, commit=True, transaction="tls")))
    assert len(behaviour.stored) == 3
