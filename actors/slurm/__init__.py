"""Clusters that Slurm runs: the actor that hands them beams, and what a beam's job asks for."""

from actors.slurm.control import SlurmControl
from actors.slurm.examining import check_cluster
from actors.slurm.options import SlurmOptions
from actors.slurm.shell import OpenShell, open_here
from actors.slurm.verdict import Patience
from actors.slurm.watching import Pace

__all__ = ["OpenShell", "Pace", "Patience", "SlurmControl", "SlurmOptions", "check_cluster", "open_here"]
