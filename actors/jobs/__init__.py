"""The run of an engine on a host: the wrapper, what is written beside it, and what may be concluded from it.

Shared by every kind of host. Protocol of a run directory, all names relative to it:

* ``job.json``, ``job.sh``: the order (``job_files``); written whole, never changed once ``claim`` exists.
* ``claim/``: made by one mkdir; ``claim/lock`` is held exclusively by the wrapper, its engine and the engine's
  children; ``claim/started.json`` (``Started``), ``claim/engine`` (``Engine``); ``claim/void``: it must never begin.
* ``engine.log``, ``out/``: the engine's; ``exit.json`` (``messages.jobs.JobExit``): renamed into place last.
"""

from actors.jobs.job_files import (
    ATTEMPT,
    GRACE_S,
    RUN_DIR,
    job_files,
    launch_command,
    launch_environment,
    run_mark,
    wrapper_name,
    wrapper_script,
)
from actors.jobs.manifest import Item, check_path, check_paths, manifest, unfinished_name
from actors.jobs.state import (
    Engine,
    Lock,
    Look,
    Started,
    Verdict,
    decide,
    parse_engine,
    parse_exit,
    parse_started,
)

__all__ = [
    "ATTEMPT",
    "GRACE_S",
    "RUN_DIR",
    "Engine",
    "Item",
    "Lock",
    "Look",
    "Started",
    "Verdict",
    "check_path",
    "check_paths",
    "decide",
    "job_files",
    "launch_command",
    "launch_environment",
    "manifest",
    "parse_engine",
    "parse_exit",
    "parse_started",
    "run_mark",
    "unfinished_name",
    "wrapper_name",
    "wrapper_script",
]
