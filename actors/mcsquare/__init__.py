"""The driver of MCsquare, a Monte Carlo engine on CPUs: a program of the engine's side, started per run by the profile
``mcsquare``, and no actor.

``python -m actors.mcsquare in/input.txt`` turns the run's files (log RT Ion Plan, CT or water phantom) into MCsquare's,
runs its binary, and writes the dose as the profile expects it. The engine itself is an optional extra, installed by
``bin/install-mcsquare`` into an environment of its own; nothing of it is ever imported.

MCsquare: K. Souris, J. A. Lee, E. Sterpin, Med. Phys. 43(4), 2016; UCLouvain, Apache License 2.0.
"""
