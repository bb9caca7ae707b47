"""PlanInfo.txt: what one delivery says about itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actors.errors import CaseError
from actors.formats import parse_plan_info
from actors.formats.plan_info import stamp_time

LINES = {
    "DICOM_PATIENT_ID": "P1",
    "DICOM_STUDY_INS_UID": "1.2.840.1",
    "DICOM_BEAM_NUMBER": "7",
    "TCSC_IRRAD_DATETIME": "2026030209301512",
    "TCSC_FIELD_NUMBER": "2",
    "START_LAYER_NUMBER": "3",
    "STOP_LAYER_NUMBER": "12",
    "SHARE_DIR": "\\\\machine\\share",
}


def text(**changes: str | None) -> bytes:
    lines = {key: value for key, value in (LINES | changes).items() if value is not None}
    return "".join(f"{key},{value}\r\n" for key, value in lines.items()).encode()


def test_reads_what_the_machine_writes() -> None:
    info = parse_plan_info(b"\xef\xbb\xbf" + text(), "where")
    assert (info.patient_id, info.study_uid, info.beam_number) == ("P1", "1.2.840.1", 7)
    assert (info.start_layer, info.stop_layer, info.field_number) == (3, 12, "2")
    moment = info.irradiated("Asia/Seoul")
    assert moment.isoformat() == "2026-03-02T09:30:15.120000+09:00"


def test_korean_windows_text_is_text() -> None:
    info = parse_plan_info(text() + "SHARE_DIR2,환자\r\n".encode("cp949"), "where")
    assert info.beam_number == 7


@pytest.mark.parametrize("stamp", ["20260302093015", "202603020930151", "20260302093015123", "20260302093015123456"])
def test_fractions_of_a_second_may_have_any_length(stamp: str) -> None:
    assert stamp_time(stamp, "UTC").replace(microsecond=0).isoformat() == "2026-03-02T09:30:15+00:00"


def test_times_are_the_site_s_across_daylight_saving() -> None:
    before = stamp_time("2026032901590000", "Europe/Berlin")
    after = stamp_time("2026032903010000", "Europe/Berlin")
    assert after.timestamp() - before.timestamp() == timedelta(minutes=2).total_seconds()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"DICOM_BEAM_NUMBER": None}, "DICOM_BEAM_NUMBER"),
        ({"DICOM_PATIENT_ID": ""}, "DICOM_PATIENT_ID"),
        ({"DICOM_BEAM_NUMBER": "-1"}, "DICOM_BEAM_NUMBER"),
        ({"DICOM_BEAM_NUMBER": "１"}, "DICOM_BEAM_NUMBER"),
        ({"DICOM_STUDY_INS_UID": "../../etc"}, "DICOM_STUDY_INS_UID"),
        ({"DICOM_STUDY_INS_UID": "1." * 40 + "1"}, "DICOM_STUDY_INS_UID"),
        ({"TCSC_IRRAD_DATETIME": "20260231093015"}, "TCSC_IRRAD_DATETIME"),
        ({"TCSC_IRRAD_DATETIME": "yesterday"}, "TCSC_IRRAD_DATETIME"),
        ({"START_LAYER_NUMBER": "13"}, "layers 13 to 12"),
        ({"START_LAYER_NUMBER": "0"}, "layers 0 to 12"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str | None], names: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse_plan_info(text(**changes), "/share/PlanInfo.txt")
    assert caught.value.fault.kind == "plan-info-invalid"
    assert names in caught.value.fault.what
    assert caught.value.fault.where == "/share/PlanInfo.txt"


def test_a_key_that_contradicts_itself_is_an_error() -> None:
    with pytest.raises(CaseError, match="DICOM_BEAM_NUMBER: it is there twice"):
        parse_plan_info(text() + b"DICOM_BEAM_NUMBER,8\n", "where")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01", b"KEY,\x00\x00"])
def test_bytes_that_are_no_text_are_named(data: bytes) -> None:
    with pytest.raises(CaseError) as caught:
        parse_plan_info(data, "where")
    assert caught.value.fault.kind in {"text-damaged", "plan-info-invalid"}
