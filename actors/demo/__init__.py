"""Synthetic treatment cases, the reference engine, and pictures of results: all that needs no hospital.

``actors.demo.factory`` writes cases, ``actors.demo.engine`` is a small dose engine (``python -m actors.demo.engine``),
``actors.demo.pictures`` draws what was published. Nothing is imported here: the daemon's process stays small.
"""
