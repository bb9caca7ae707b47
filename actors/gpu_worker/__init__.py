"""One GPU's lease holder: stages, launches, watches and collects one beam after the other."""

from actors.gpu_worker.actor import GpuWorker

__all__ = ["GpuWorker"]
