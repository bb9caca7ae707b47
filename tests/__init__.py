"""Tests; a package only so that ``tests.kit`` and ``tests.promises`` have unmistakable names."""
