"""``python -m actors.demo.engine [FILE | --version]``; without FILE it takes ``moqui_tps.in``, as the original does."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

VERSION = "reference engine 1 (analytic, no clinical engine)"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # several engines share this machine's cores; before numpy is loaded


def version() -> str:
    """Name and SHA-256 of the engine: of its sources, by name, since it has no binary."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{VERSION} sha256:{digest.hexdigest()}"


def main(arguments: list[str]) -> int:
    """Run the engine on the input file named; the exit status."""
    if arguments[:1] == ["--version"]:
        print(version())
        return 0
    from actors.demo.engine.run import run_engine  # noqa: PLC0415 - numpy reads the environment when it is imported

    return run_engine(Path(arguments[0] if arguments else "moqui_tps.in"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
