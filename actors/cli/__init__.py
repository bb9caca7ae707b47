"""The commands. ``main`` is the entry point; what a command needs is imported when it runs."""


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    from actors.cli.entry import run

    raise SystemExit(run())


__all__ = ["main"]
