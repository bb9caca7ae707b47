"""The configuration: one TOML file, checked as a whole before anything starts."""

from actors.settings.changes import Changes, diff, merged
from actors.settings.loading import load, parse, template
from actors.settings.model import Alarms, HostSettings, MonitorSettings, Settings, Slurm
from actors.settings.places import SHIPPED
from actors.settings.problems import SettingsError
from actors.settings.report import ReportSettings
from actors.settings.send import SendNode

__all__ = [
    "SHIPPED",
    "Alarms",
    "Changes",
    "HostSettings",
    "MonitorSettings",
    "ReportSettings",
    "SendNode",
    "Settings",
    "SettingsError",
    "Slurm",
    "diff",
    "load",
    "merged",
    "parse",
    "template",
]
