"""The physicist's report of every case that is done, made beside the pipeline in a process of its own."""

from actors.reporter.actor import Reporter

__all__ = ["Reporter"]
