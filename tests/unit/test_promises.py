"""Every promise whose capability exists has a test that breaks when the promise is broken."""

from __future__ import annotations

from pathlib import Path

from tests.promises import LATER, PROMISES, broken, kept

TESTS = Path(__file__).resolve().parent.parent

MODULE = """
import pytest
pytestmark = [pytest.mark.slow, pytest.mark.promise("P3")]

@pytest.mark.promise("P1", "P2")
def test_one(): ...

class TestTwo:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.promise("P4"))])
    @pytest.mark.promise("P99")
    def test_inside(self, x): ...
"""


def test_every_promise_has_a_test():
    sentences = broken(kept(TESTS))
    assert not sentences, "\n".join(sentences)


def test_all_promises_are_known():
    assert list(PROMISES) == [f"P{number}" for number in range(1, 42)]
    assert PROMISES.keys() >= LATER


def test_marks_are_found_wherever_they_stand(tmp_path):
    (tmp_path / "test_some.py").write_text(MODULE)
    found = kept(tmp_path)
    assert found == {
        "P3": ["test_some.py::*"],
        "P1": ["test_some.py::test_one"],
        "P2": ["test_some.py::test_one"],
        "P4": ["test_some.py::test_inside"],
        "P99": ["test_some.py::test_inside"],
    }


def test_what_is_untested_or_unknown_is_named():
    found = {name: ["test"] for name in PROMISES if name not in LATER and name != "P7"} | {"P99": ["test_x.py::test_y"]}
    sentences = broken(found)
    assert [sentence.split()[0] for sentence in sentences] == ["P7", "P99"]
    assert "test_x.py::test_y" in sentences[1]
