"""One reader's run in a process of its own: ``python -m tests.fuzz.guided READER INPUTS SEED FOLDER``.

The search is led by the coverage of the reader's own branches where atheris is installed; elsewhere inputs are edited
blindly. What happened stands in ``FOLDER/report.json``, inputs that caused a fault in ``FOLDER/faults``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.edits import ODD, edited, random_edits

MIB = 2**20
_HANG_S = 60
_TOLD_EVERY_S = 2.0


def main(name: str, inputs: int, seed: int, folder: Path) -> None:
    """Run, and end the process: libFuzzer does not return."""
    fuzzer = _atheris()
    reader = _reader(name, fuzzer)
    run = Run(reader, inputs, folder, guided=fuzzer is not None)
    resource.setrlimit(resource.RLIMIT_DATA, (4 * reader.memory_mb * MIB, 4 * reader.memory_mb * MIB))
    if fuzzer is None:
        run.blindly(Random(seed))
    corpus = folder / "corpus"
    corpus.mkdir()
    for data in run.seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*ODD[:8], *reader.words)))
    options = [
        f"-seed={seed or 1}", f"-max_len={reader.longest}", "-rss_limit_mb=0", f"-timeout={_HANG_S}", "-len_control=0",
        f"-dict={words}", f"-artifact_prefix={folder}/faults/", "-runs=-1", str(corpus),
    ]  # fmt: skip
    fuzzer.Setup([sys.argv[0], *options], run.one)
    fuzzer.Fuzz()


class Run:
    """Counts, and the faults that were found, each with its first input."""

    def __init__(self, reader: Any, inputs: int, folder: Path, *, guided: bool) -> None:
        from tests.fuzz.corpus_files import committed  # noqa: PLC0415 - after the instrumentation has begun
        from tests.fuzz.reader import attempt, name_of  # noqa: PLC0415

        self._attempt, self._name_of = attempt, name_of
        self._reader, self._inputs, self._folder, self._guided = reader, inputs, folder, guided
        self.seeds = [*reader.seeds(), *committed(reader.name)]
        self._kinds: Counter[str] = Counter()
        self._faults: dict[str, dict[str, Any]] = {}
        self._slowest, self._began, self._told = 0.0, time.monotonic(), 0.0
        (folder / "faults").mkdir()

    def blindly(self, random: Random) -> None:
        while True:
            data = random.choice(self.seeds)
            self.one(edited(data, random_edits(random, self._reader.words), self._reader.longest))

    def one(self, data: bytes) -> None:
        """One input; the process ends with the last."""
        outcome = self._attempt(self._reader, data)
        self._kinds[outcome.kind] += 1
        self._slowest = max(self._slowest, outcome.seconds)
        if outcome.fault:
            self._found(outcome.fault, data)
        done = self._kinds.total()
        if done >= self._inputs or time.monotonic() - self._told > _TOLD_EVERY_S:
            self._tell()
        if done >= self._inputs:
            sys.stderr.flush()
            os._exit(0)

    def _found(self, fault: str, data: bytes) -> None:
        known = self._faults.setdefault(self._name_of(fault), {"text": fault, "times": 0, "input": ""})
        known["times"] += 1
        if known["times"] == 1:
            name = hashlib.sha256(data).hexdigest()[:16]
            (self._folder / "faults" / name).write_bytes(data)
            known["input"] = name

    def _tell(self) -> None:
        self._told = time.monotonic()
        report = {
            "reader": self._reader.name,
            "guided": self._guided,
            "inputs": self._kinds.total(),
            "seconds": round(time.monotonic() - self._began, 1),
            "slowest_s": round(self._slowest, 4),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "memory_mb": self._reader.memory_mb,
            "kinds": dict(self._kinds.most_common()),
            "faults": list(self._faults.values()),
        }
        part = self._folder / "report.part"
        part.write_text(json.dumps(report))
        part.replace(self._folder / "report.json")


def _atheris() -> Any:
    if os.environ.get("MQI_FUZZ_BLIND"):
        return None
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def _reader(name: str, fuzzer: Any) -> Any:
    """The reader, its packages imported so that their branches are counted."""
    guide: list[str] = []
    if fuzzer is not None:
        guide = json.loads(os.environ["MQI_FUZZ_GUIDE"])
    watched = (
        fuzzer.instrument_imports(include=guide, enable_loader_override=False) if guide else contextlib.nullcontext()
    )
    with watched:
        group = importlib.import_module(os.environ["MQI_FUZZ_GROUP"])
    return next(one for one in group.READERS if one.name == name)


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
