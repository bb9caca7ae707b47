"""Roots that overlap, nest, or are one another through links, and copies of a case: each delivery is run once."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from messages.states import CaseState
from tests.kit.counted import counted_site, judge
from tests.kit.daemon import Daemon, run_cli, until

CASES = 4


def with_roots(conf: Path, roots: list[Path]) -> None:
    before = conf.read_text(encoding="utf-8")
    (line,) = [line for line in before.splitlines() if line.startswith("roots = ")]
    after = "roots = [" + ", ".join(f'"{root}"' for root in roots) + "]"
    conf.write_text(before.replace(line, after), encoding="utf-8")


@pytest.mark.promise("P13")
@pytest.mark.promise("P12")
def test_a_case_below_several_roots_and_submitted_by_hand_is_one_case(tmp_path: Path) -> None:
    with counted_site(tmp_path / "site", seconds=0.2) as counted:
        site = counted.site
        inner, other, link = site.incoming / "inner", site.folder / "other", site.folder / "link"
        for folder in (inner, other):
            folder.mkdir()
        link.symlink_to(site.incoming)
        with_roots(site.conf, [site.incoming, inner, link, other, link / "inner", other])
        with Daemon(site) as daemon:
            submissions = []
            for seed in range(1, CASES + 1):
                made = write_demo_case(inner if seed % 2 else site.incoming, beams=2, layers=2, spots=10, seed=seed)
                shutil.copytree(made.path.parent, other / made.path.parent.name)
                for path in (made.path, other / made.path.parent.name / made.path.name):
                    order = ("submit", str(path), "--conf", str(site.conf))
                    submissions.append(threading.Thread(target=run_cli, args=order))
                    submissions[-1].start()
            for thread in submissions:
                thread.join()
            rows = daemon.until_ended(CASES)
            until(lambda: all(row.cleaned for row in daemon.rows().values()), 30, "cleaned up")
            daemon.stop()
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        beams = Counter(key.rpartition("/")[0] for key in counted.starts)
        assert len(beams) == 2 * CASES
        assert set(beams.values()) == {1}, "each beam was started once"
        assert judge(counted, CASES) == []
