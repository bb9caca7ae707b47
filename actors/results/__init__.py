"""Verification and publication of results; runs in worker processes (it imports numpy and pydicom)."""

from actors.results.publish import publish_case
from actors.results.published import verify_published
from actors.results.verify import verify_run

__all__ = ["publish_case", "verify_published", "verify_run"]
