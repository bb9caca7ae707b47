"""Every metric by name, kind, labels and meaning: the one place where they are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric as Prometheus knows it; a counter's samples end in ``_total``, which its name here leaves out."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    lasting: bool = False
    """Counted from the whole history in the ledger: a restart of the daemon takes nothing from it. All other counters
    and histograms begin at zero with the daemon (those of states that were left) or with its monitor."""


_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_COMMIT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_GAP = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_GPU = ("host", "gpu")


def _of(name: str, kind: Literal["counter", "gauge", "histogram"], text: str, *labels: str) -> Measure:
    return Measure(name, kind, text, labels)


def _ever(name: str, text: str, *labels: str) -> Measure:
    return Measure(name, "counter", text, labels, lasting=True)


CATALOGUE: tuple[Measure, ...] = (
    # -- the pipeline
    _of("mqi_cases", "gauge", "Cases by state.", "state"),
    _of("mqi_beams", "gauge", "Beams by state.", "state"),
    _of(
        "mqi_oldest_case_age_seconds", "gauge", "Age of the oldest case in each open state; 0: there is none.", "state"
    ),
    _ever("mqi_case_transitions", "Cases that entered a state, by that state.", "state"),
    _ever("mqi_beam_transitions", "Beams that entered a state, by that state.", "state"),
    _ever("mqi_attempt_transitions", "Runs (attempts) that entered a state, by that state.", "state"),
    _ever("mqi_verdicts", "Published cases by verdict.", "verdict"),
    _ever("mqi_orders", "Orders of operators by kind.", "kind"),
    Measure(
        "mqi_case_state_seconds", "histogram", "How long cases were in a state that they left.", ("state",), _SECONDS
    ),
    Measure(
        "mqi_beam_state_seconds", "histogram", "How long beams were in a state that they left.", ("state",), _SECONDS
    ),
    # -- hosts and links
    _of("mqi_host_up", "gauge", "1: the host can be used; 0: it is suspended.", "host"),
    _of("mqi_host_workspace_free_bytes", "gauge", "Free space at the host's workspace.", "host"),
    _ever("mqi_link_losses", "Times that a host in use was lost.", "host"),
    _of("mqi_transfers", "counter", "Verified moves of files.", "host", "direction"),
    _of("mqi_transfer_bytes", "counter", "Bytes of verified moves of files.", "host", "direction"),
    _of("mqi_transfer_seconds", "counter", "Time that verified moves of files took.", "host", "direction"),
    _of("mqi_sendings", "gauge", "Results at a node, or on their way to it, by state.", "node", "state"),
    # -- GPUs
    _of("mqi_gpu_state", "gauge", "1 for the state that the GPU is in.", *_GPU, "state"),
    _of("mqi_gpu_busy_seconds", "counter", "Time that the GPU was leased to beams; its rate is the busy share.", *_GPU),
    Measure(
        "mqi_gpu_idle_gap_seconds",
        "histogram",
        "Time between two runs of a GPU when the next lay ready.",
        ("host",),
        _GAP,
    ),
    _of("mqi_gpu_temperature_celsius", "gauge", "Temperature of the GPU.", *_GPU),
    _of("mqi_gpu_memory_used_bytes", "gauge", "Memory of the GPU in use.", *_GPU),
    # -- the daemon
    _of("mqi_build_info", "gauge", "1, with the version of the daemon.", "version"),
    _of("mqi_start_number", "gauge", "How often a daemon has started on this ledger."),
    _of("mqi_actors", "gauge", "Actors by phase.", "phase"),
    _of("mqi_actor_restarts", "counter", "Restarts of actors; all cases are one actor here.", "actor"),
    _of("mqi_actor_crashes", "counter", "Crashes of actors; all cases are one actor here.", "actor"),
    _of("mqi_dead_letters", "counter", "Messages that found no reader, by whom they were for.", "actor"),
    _of("mqi_mailbox_depth", "gauge", "Messages that wait in the mailbox; of all cases the most.", "actor"),
    Measure("mqi_ledger_commit_seconds", "histogram", "Time of one commit of the ledger.", (), _COMMIT),
    _of("mqi_ledger_events", "gauge", "Lines of the ledger's history that these numbers know."),
    _of("mqi_ledger_read_timestamp_seconds", "gauge", "When the ledger was last read for these numbers."),
    _of("mqi_backup_timestamp_seconds", "gauge", "When the newest scheduled backup was taken; 0: there is none."),
    # -- this machine
    _of("mqi_disk_free_bytes", "gauge", "Free space at a folder that new work needs.", "disk"),
    _of("mqi_disk_least_bytes", "gauge", "Free space below which no new work starts.", "disk"),
    _of("mqi_disk_low", "gauge", "1: no new work starts for want of space.", "disk"),
    _of("mqi_machine_memory_ratio", "gauge", "Share of this machine's memory in use."),
    _of("mqi_machine_load", "gauge", "Processes that ran or waited, mean of one minute."),
    _of("mqi_machine_temperature_celsius", "gauge", "Hottest sensor of this machine."),
    _of("mqi_clock_timestamp_seconds", "gauge", "This machine's clock as the metrics were asked for."),
    _of("mqi_clock_synchronised", "gauge", "1: something keeps the clock (NTP, PTP); 0: nothing does."),
    _of("mqi_clock_jumps", "counter", "Times that the clock jumped by more than two seconds."),
    # -- alarms
    _of("mqi_alarms", "gauge", "Alarms that stand, by kind.", "kind"),
    _ever("mqi_alarms_raised", "Alarms raised, by kind.", "kind"),
    _ever("mqi_alarm_pushes", "Documents about alarms that were told outside."),
    _of("mqi_alarm_push_waiting", "gauge", "1: a document about alarms is still to be told outside."),
)


def sample_names() -> frozenset[str]:
    """The names that stand in front of samples: with ``_total``, ``_bucket``, ``_sum``, ``_count``."""
    suffixes = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return frozenset(measure.name + suffix for measure in CATALOGUE for suffix in suffixes[measure.kind])
