"""Errands: one order, one process, one answer. What it held is given back; its faults stay in it.

The actor's side is ``run_errand``, in a task; the process's side is ``actors.errands.child``.
"""

from actors.errands.parent import Finished, LateError, run_errand

__all__ = ["Finished", "LateError", "run_errand"]
