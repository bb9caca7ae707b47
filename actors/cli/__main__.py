"""``python -m actors.cli``."""

from actors.cli import main

main()
