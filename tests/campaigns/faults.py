"""``bin/test --faults``: the daemon is killed, and its links are cut, at every named instant; the outcome is the same.

A workload of two cases runs through the real daemon on this machine, on a host behind a real SSH server, and (where one
can be started) on a real Slurm cluster. At each
crash point (``--list`` names them) the daemon is killed with SIGKILL and started again; then with two kills at points
drawn by chance; then with all links cut instead of a kill. After every run: every case ended as in the undisturbed run,
what was published is the same to the byte (in manifests but for host, GPU and times of a run), each engine was started
once under its claim, the ledger is whole, and no process, lease or unfinished file is left.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from actors.crash_points import EFFECTS, POINTS, catalogue
from tests.campaigns.reliability import record
from tests.kit.crash_site import make_stock
from tests.kit.crash_sweep import ELSEWHERE, WORKLOADS, Calm, Made, Order, calm_all, make_all, pairs, single
from tests.kit.slurm import Slurm, lacking
from tests.kit.sshd import Sshd


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every run came out right, and every point was reached."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.write and (given.points or given.host or given.kind):
        parser.error("--write is for the whole sweep")
    if given.list:
        for name, words in EFFECTS.items():
            print(f"{name}:before, {name}:after\n    {words}")
        for name, words in POINTS.items():
            print(f"{name}\n    {words}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it started
    folder = Path(tempfile.mkdtemp(prefix="mqi-faults-"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of starts: what they import is compiled once
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    with ExitStack() as stack:
        wrong = _sweep(given, folder, stack)
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("bin/test --faults", description="Kill the daemon and cut its links everywhere.")
    parser.add_argument("--list", action="store_true", help="name the crash points, and end")
    parser.add_argument(
        "--points", default="", metavar="WORD,…", help="only points whose name holds one of these words"
    )
    parser.add_argument("--each", type=int, default=2, help="passings of each point that are struck (default 2)")
    parser.add_argument("--pairs", type=int, default=60, help="runs with two kills (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="draws passings and pairs (default 1)")
    parser.add_argument("--host", choices=("local", "ssh", "slurm"), help="only this kind of host")
    parser.add_argument("--kind", choices=tuple(_TRIED), help="only runs of this kind")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once (default: cores)")
    parser.add_argument("--write", action="store_true", help="put the outcome into README")
    return parser


def _sweep(given: argparse.Namespace, folder: Path, stack: ExitStack) -> int:
    began = time.monotonic()
    server = stack.enter_context(Sshd(folder / "sshd")) if given.host in (None, "ssh") else None
    stock = make_stock(folder / "stock", server)
    hosts = [host for host in ("local", "ssh", "slurm") if given.host in (None, host)]
    if "slurm" in hosts and (why := lacking()):
        print(f"nothing is run on a cluster: {why}")
        hosts.remove("slurm")
    elif "slurm" in hosts:
        stack.enter_context(Slurm.shared())
    workloads = [one for one in WORKLOADS if one.host in hosts]
    calms = calm_all(folder, stock, workloads, given.jobs)
    print(f"seed {given.seed}; in {folder}")
    made = {}
    for kind, orders in _plan(given, calms).items():
        print(f"{kind}: {len(orders)} runs, {given.jobs} at once", flush=True)
        made[kind] = make_all(folder / kind.replace(" ", "-"), stock, orders, calms, jobs=given.jobs, tell=_tell)
    passed = {point for one in calms for point in one.passed}
    unreached = [name for name in catalogue() if name not in passed and name.split(":")[0] not in ELSEWHERE]
    return _told(hosts, made, [] if given.host or given.kind else unreached, time.monotonic() - began, given.write)


def _plan(given: argparse.Namespace, calms: Sequence[Calm]) -> dict[str, list[Order]]:
    chance = random.Random(given.seed)
    plan = {
        "killed": list(single(calms, given.each, chance)),
        "killed twice": list(pairs(calms, given.pairs, chance)),
        "link cut": list(single(calms, given.each, chance, cut=True)),
    }
    words = [word for word in given.points.split(",") if word]
    wanted = {kind: [order for order in orders if _wanted(order, words)] for kind, orders in plan.items()}
    return {kind: orders for kind, orders in wanted.items() if orders and given.kind in (None, kind)}


def _wanted(order: Order, words: Sequence[str]) -> bool:
    return not words or any(word in blow.point for word in words for blow in order.blows)


def _tell(number: int, made: Made) -> None:
    if number % 25 == 0:
        print(f"  {number} …", flush=True)
    if made.problems:
        print(f"  run {number}: {made.order} ({made.seconds:.0f} s, kept in {made.folder})")
        for text in made.problems:
            print("    " + text.replace("\n", "\n    "))
        sys.stdout.flush()


def _told(
    hosts: Sequence[str], made: dict[str, list[Made]], unreached: Sequence[str], seconds: float, write: bool
) -> int:
    """How many runs came out wrong, and how many points nobody passed."""
    rows, wrong = [], 0
    for kind, runs in made.items():
        bad = [one for one in runs if one.problems]
        points = {blow.point for one in runs if one.struck for blow in one.order.blows[: one.struck]}
        fell = sum(one.struck for one in runs)
        wrong += len(bad)
        named = " and ".join(_HOSTS[host] for host in hosts if kind != "link cut" or host == "ssh")
        often = f"{len(runs)} runs, {fell} blows at {len(points)} points, on {named}"
        rows.append((_TRIED[kind], often, "every run as the undisturbed one" if not bad else f"{len(bad)} differ"))
        print(f"{kind}: {often}; {rows[-1][2]}")
    print(f"{len(catalogue())} points, {sum(map(len, made.values()))} runs in {seconds / 60:.1f} min")
    if unreached:
        print(f"never passed: {', '.join(unreached)}")
    if write:
        record("crash points", rows)
    return wrong + len(unreached)


_HOSTS = {"local": "a local host", "ssh": "an SSH host", "slurm": "a Slurm cluster"}
_TRIED = {
    "killed": "SIGKILL of the daemon before and after every commit and outside effect",
    "killed twice": "two kills, at points drawn by chance",
    "link cut": "every connection cut at these instants",
}


if __name__ == "__main__":
    sys.exit(main())
