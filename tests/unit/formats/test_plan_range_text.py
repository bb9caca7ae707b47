"""PlanRange.txt: energy, range code and files of each layer."""

from __future__ import annotations

import pytest

from actors.errors import CaseError
from actors.formats import parse_plan_range
from actors.formats.counts import range_factor

HEADER = (
    "RESULT_ID,LAYER_NO,LAYER_ENERGY,PATIENT_ID,FLD_NO,DOSE1_RANGE,DOSE2_RANGE,"
    "PLAN_DOSE1_RANGE,PLAN_DOSE2_RANGE,SCAN_OUT_FL_NM,PLAN_SCAN_OUT_FL_NM"
)


def row(layer: object, energy: object = "150.00", code: object = 3, ptn: str = "", mgn: str = "") -> str:
    return f"7,{layer},{energy},55,2,{code},3,3,3,{ptn or f'a_{layer}.ptn'},{mgn or f'b_{layer}.mgn'}"


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *rows, ""]).encode()


def test_reads_rows_by_column_name_and_orders_them() -> None:
    ranges = parse_plan_range(table(row(2, "148.50", 5), row(1)), "where")
    assert [one.layer for one in ranges.rows] == [1, 2]
    second = ranges.row(2)
    assert second is not None
    assert (second.energy_mev, second.dose1_range, second.ptn, second.mgn) == (148.5, 5, "a_2.ptn", "b_2.mgn")
    assert ranges.row(3) is None
    assert [one.layer for one in ranges.span(2, 9)] == [2]


def test_columns_may_stand_in_another_order() -> None:
    header = "SCAN_OUT_FL_NM,LAYER_ENERGY,LAYER_NO,EXTRA,DOSE1_RANGE,PLAN_SCAN_OUT_FL_NM"
    ranges = parse_plan_range(table("x.ptn,101.5,4,?,2,x.mgn", header=header), "where")
    assert ranges.rows[0].energy_mev == 101.5
    assert ranges.rows[0].layer == 4


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ((row(1), row(1, ptn="c.ptn", mgn="c.mgn")), "layer-doubled"),
        ((row(1), row(2, ptn="a_1.ptn")), "layer-doubled"),
        ((row(1), row(2, mgn="b_1.mgn")), "layer-doubled"),
        ((), "plan-range-invalid"),
        (("7,1,150.00",), "plan-range-invalid"),
        ((row("one"),), "plan-range-invalid"),
        ((row(0),), "plan-range-invalid"),
        ((row(1, "nan"),), "plan-range-invalid"),
        ((row(1, "-5"),), "plan-range-invalid"),
        ((row(1, ptn="../../etc/passwd"),), "plan-range-invalid"),
        ((row(1, mgn=".."),), "plan-range-invalid"),
        ((row(1, ptn="a\x07.ptn"),), "plan-range-invalid"),
    ],
)
def test_what_cannot_be_is_an_error(rows: tuple[str, ...], kind: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse_plan_range(table(*rows), "/share/PlanRange.txt")
    assert caught.value.fault.kind == kind
    assert caught.value.fault.where == "/share/PlanRange.txt"


@pytest.mark.parametrize("data", [b"", b"\r\n", b"RESULT_ID,LAYER_NO\r\n7,1\r\n"])
def test_a_table_without_its_columns_is_an_error(data: bytes) -> None:
    with pytest.raises(CaseError, match=r"PlanRange\.txt"):
        parse_plan_range(data, "where")


@pytest.mark.promise("P6")
def test_only_known_range_codes_have_a_factor() -> None:
    factors = [range_factor(code, "Beam 1, layer 2", "") for code in (2, 3, 4, 5)]
    assert factors == pytest.approx([1.0, 140 / 47, 420 / 47, 1260 / 47])
    for code in (0, 1, 6, 7, -2):
        with pytest.raises(CaseError, match="Beam 1, layer 2 has the monitor range code") as caught:
            range_factor(code, "Beam 1, layer 2", "")
        assert caught.value.fault.kind == "range-code-unknown"
