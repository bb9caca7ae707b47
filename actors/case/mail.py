"""What a case tells the scheduler, the workers of its beams, and admission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.case import effects as fx
from messages.address import Mailbox
from messages.cases import CaseAdmitted
from messages.scheduling import AttemptSettled, CancelAttempt, GetAttempt, QueueBeam, ReturnBeam, WithdrawBeam


@dataclass(frozen=True, slots=True)
class Mail:
    """Of one case; ``me`` is where answers go."""

    me: Mailbox
    case: str
    scheduler: Mailbox
    worker_address: Callable[[str], Mailbox]
    admission: Mailbox

    def send(self, effect: fx.Queue | fx.Withdraw | fx.Ask | fx.Cancel | fx.GiveBack | fx.Settle | fx.Announce) -> None:
        """One message to the one whom the effect concerns."""
        match effect:
            case fx.Queue(request):
                self.scheduler.tell(QueueBeam(request, self.me))
            case fx.Withdraw(beam):
                self.scheduler.tell(WithdrawBeam(self.case, beam, self.me))
            case fx.Announce(case):
                self.admission.tell(CaseAdmitted(case))
            case _:
                self.worker_address(effect.worker).tell(self._for_worker(effect))

    def _for_worker(self, effect: fx.Ask | fx.Cancel | fx.GiveBack | fx.Settle) -> object:
        match effect:
            case fx.Ask(key=key):
                return GetAttempt(key, self.me)
            case fx.Cancel(key=key, reason=reason):
                return CancelAttempt(key, self.me, reason)
            case fx.GiveBack(key=key, reason=reason):
                return ReturnBeam(key, reason)
            case fx.Settle(key=key, good=good, blame_gpu=blame_gpu):
                return AttemptSettled(key, good, blame_gpu)
