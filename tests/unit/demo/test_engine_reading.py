"""The engine's reading rules: a wrong file of ours must be read as wrongly as the real engine reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.demo.engine.grids import phantom_of
from actors.demo.engine.input_file import EngineAbortError, InputFile, c_integer, c_number
from actors.demo.engine.log_files import energy_in_name, read_beam_logs

pytestmark = pytest.mark.promise("P7")


def test_keys_split_at_the_first_space_without_case() -> None:
    given = InputFile("parentdir a b c\nBEAMNUMBERS 1,2 , 3\n")
    assert given.text("ParentDir") == "a b c"
    assert given.integers("BeamNumbers") == (1, 2, 3)


def test_a_tab_hides_the_key() -> None:
    given = InputFile("GantryNum\t1\nOutputDir\tout x\n")
    assert given.integer("GantryNum", 2) == 2
    assert not given.has("OutputDir")


def test_first_match_wins_and_the_unknown_is_ignored() -> None:
    given = InputFile("GantryNum 1\nGantryNum 2\nGantrNum 3\n")
    assert given.integer("GantryNum", 2) == 1


def test_a_hash_cuts_anywhere() -> None:
    given = InputFile("# OutputDir a\nOutputDir out#put\nParentDir x # y\n")
    assert given.text("OutputDir") == "out"
    assert given.text("ParentDir") == "x"


def test_an_empty_line_is_fine_a_blank_one_aborts() -> None:
    assert InputFile("A 1\n\nB 2\n").integer("B", 0) == 2
    with pytest.raises(EngineAbortError):
        InputFile("A 1\n  \nB 2\n")


def test_a_missing_file_aborts(tmp_path: Path) -> None:
    with pytest.raises(EngineAbortError):
        InputFile.read(tmp_path / "input.txt")


def test_numbers_are_read_as_c_reads_them() -> None:
    assert c_integer("-60.5") == -60
    assert c_integer("x7") == 0
    assert c_number(" 1.5e2mm") == 150.0
    assert c_number("mm") == 0.0
    given = InputFile("A TRUE\nB 2\nC yes\nD 0.5\n")
    assert [given.flag(key) for key in "ABCE"] == [True, True, False, False]
    assert given.number("D", 1.0) == 0.5
    assert given.number("F", 1.5) == 1.5


def test_phantom_and_its_whole_numbers() -> None:
    size = "UsingPhantomGeo true\nPhantomDimX 60\nPhantomDimY 50\nPhantomDimZ 140\n"
    phantom = phantom_of(InputFile(size + "PhantomUnitZ 2\nPhantomPositionX -60.9\n"))
    assert phantom is not None
    assert phantom.size == (60, 50, 140)
    assert phantom.spacing_mm == (1.0, 1.0, 2.0)
    assert phantom.corner_mm == (-60.0, 1.0, 1.0)
    assert phantom.beam_grid().shape == (140, 50, 60)
    assert phantom_of(InputFile("PhantomDimX 60\n")) is None


def test_the_two_centimetre_plane_ignores_the_dimensions() -> None:
    text = "UsingPhantomGeo true\nTwoCentimeterMode true\nPhantomDimX 60\nPhantomDimY 50\nPhantomDimZ 140\n"
    phantom = phantom_of(InputFile(text))
    assert phantom is not None
    assert phantom.size == (400, 400, 1)
    assert phantom.spacing_mm == (1.0, 1.0, 2.0)
    assert phantom.beam_grid().depth_edges_mm.tolist() == [19.0, 21.0]


def logs(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def rows(count: int, end: str) -> str:
    return "".join(f"{0.06 * n:.2f},{10 + n},{20 + n},{30 + n}{end}\n" for n in range(count))


def test_rows_that_end_with_a_comma(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": rows(6, ",")})
    (layer,) = read_beam_logs(tmp_path / "log", 0)
    assert layer.energy_mev == pytest.approx(150.25)
    assert layer.x_mm.tolist() == [10, 11, 12, 13, 14, 15]
    assert layer.counts.tolist() == [30, 31, 32, 33, 34, 35]


def test_without_the_last_comma_six_spots_become_four_wrong_ones(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": rows(6, "")})
    (layer,) = read_beam_logs(tmp_path / "log", 0)
    assert len(layer.counts) == 4
    assert layer.counts.tolist() == [30, 12, 23, 34]


def test_a_header_aborts(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": "time,x,y,count,\n" + rows(2, ",")})
    with pytest.raises(EngineAbortError):
        read_beam_logs(tmp_path / "log", 0)


def test_any_other_csv_aborts(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": rows(2, ","), "summary__csv": rows(1, ",")})
    with pytest.raises(EngineAbortError):
        read_beam_logs(tmp_path / "log", 0)


def test_what_is_no_csv_is_not_read(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": rows(2, ","), "notes__txt": "hello"})
    assert len(read_beam_logs(tmp_path / "log", 0)) == 1


def test_a_count_that_does_not_fit_an_int_aborts(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": "0,1,2,4000000000,\n"})
    with pytest.raises(EngineAbortError):
        read_beam_logs(tmp_path / "log", 0)


def test_a_count_that_is_no_number_aborts(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": "0,1,2,many,\n"})
    with pytest.raises(EngineAbortError):
        read_beam_logs(tmp_path / "log", 0)


def test_decimals_of_a_count_are_cut(tmp_path: Path) -> None:
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": "0,1,2,17.9,\n"})
    assert read_beam_logs(tmp_path / "log", 0)[0].counts.tolist() == [17]


def test_the_folder_is_chosen_by_its_place(tmp_path: Path) -> None:
    for number in (2, 10):
        logs(tmp_path / "log" / f"beam{number}", **{f"01_{100 + number}__00MeV__csv": rows(2, ",")})
    assert [read_beam_logs(tmp_path / "log", place)[0].energy_mev for place in (0, 1)] == [110.0, 102.0]


def test_no_folder_no_layers(tmp_path: Path) -> None:
    assert read_beam_logs(tmp_path / "log", 0) == ()
    logs(tmp_path / "log" / "b", **{"01_150__25MeV__csv": rows(2, ",")})
    assert read_beam_logs(tmp_path / "log", 1) == ()
    assert read_beam_logs(tmp_path / "log", -1) == ()


def test_energy_out_of_the_name() -> None:
    assert energy_in_name("01_150.25MeV.csv") == pytest.approx(150.25)
    assert energy_in_name("12_99.50MeV.csv") == pytest.approx(99.5)
    with pytest.raises(EngineAbortError):
        energy_in_name("log.csv")
