"""``python -m actors.reporter PARENT_PID``: one MakeReport, pickled, on stdin; its answer as JSON on stdout.

A process for each report: what it held is given back, and whatever goes wrong in it goes wrong nowhere else. It yields
the processor to everything else, holds no more memory than it was told, and dies with the daemon.
"""

from __future__ import annotations

import errno
import sys
from dataclasses import asdict

from actors.errands.child import bound_memory, take_order
from actors.errors import MqiError
from actors.reporter.order import MadeReport, MakeReport, NoReport

NICENESS = 15


def main(parent: int) -> None:
    """Answer the one order on stdin."""
    order, answer = take_order(parent, NICENESS)
    assert isinstance(order, MakeReport)
    bound_memory(order.rules.memory_limit_mb)
    told = answer_to(order)
    answer({"made" if isinstance(told, MadeReport) else "none": asdict(told)})


def answer_to(order: MakeReport) -> MadeReport | NoReport:
    """The report, or the sentence why there is none."""
    try:
        from actors.reporter.make import make_report  # noqa: PLC0415 - the heavy libraries, within the bounds set above

        return make_report(order)
    except MqiError as error:
        return NoReport(str(error.fault), error.fault.kind)
    except MemoryError:
        limit = order.rules.memory_limit_mb
        return NoReport(f"It needs more than the {limit} MB of report.memory_limit_mb.", "report-memory")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return NoReport(
            f"{error.strerror or error} ({error.filename or order.result}).", "disk-full" if full else "report-io"
        )
    except Exception as error:
        return NoReport(f"It failed by a fault of ours: {type(error).__name__}: {error}.", "report-error")


if __name__ == "__main__":
    main(int(sys.argv[1]))
