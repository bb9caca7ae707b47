"""Sends published results to DICOM nodes and drop folders, beside the pipeline, from processes of their own."""

from actors.sender.actor import Sender
from actors.sender.look import look_at

__all__ = ["Sender", "look_at"]
