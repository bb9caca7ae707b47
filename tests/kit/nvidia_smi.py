"""A stand-in ``nvidia-smi`` for hosts over SSH: its answers lie in files; it can hang, fail, and change its mind."""

from __future__ import annotations

from pathlib import Path

_SCRIPT = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
[ -e hang ] && exec sleep 1000
for word; do
    case $word in
    --query-gpu=uuid,*) file=more ;;
    --query-gpu=*) file=gpus ;;
    --query-compute-apps=*) file=apps ;;
    esac
done
cat "$file"
[ -e "$file.code" ] && exit "$(cat "$file.code")"
exit 0
"""

HEALTHY = """\
0, GPU-aaaa, Stand-in 80GB, 81920, 1024, 80896, 40, 0, 1410
1, GPU-bbbb, Stand-in 80GB, 81920, 0, 81920, 41, 0, 1410
"""
ERRORS = "GPU-aaaa, 0\nGPU-bbbb, [N/A]\n"


class NvidiaSmi:
    """The program in a folder of its own, to be put first into the PATH of a host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "nvidia-smi"
        program.write_text(_SCRIPT)
        program.chmod(0o755)
        self.say()

    @property
    def environment(self) -> dict[str, str]:
        """For Sshd."""
        return {"PATH": f"{self.folder}:/usr/local/bin:/usr/bin:/bin"}

    def say(self, gpus: str = HEALTHY, apps: str = "", more: str = ERRORS, code: int = 0) -> None:
        """What it prints from now on, and the exit code of the first question."""
        (self.folder / "hang").unlink(missing_ok=True)
        for name, text in (("apps", apps), ("more", more), ("gpus.code", str(code)), ("gpus", gpus)):
            part = self.folder / f"{name}.part"
            part.write_text(text)
            part.replace(self.folder / name)

    def hang(self) -> None:
        """It answers no more."""
        (self.folder / "hang").touch()
