"""The thin shell around the pure core: it starts and stops threads as the core says, and writes one line per crash."""

from __future__ import annotations

from collections.abc import Sequence

from actors.supervision import _core as core
from actors.supervision._actor import Actor, Context
from actors.supervision._core import Core, Phase
from actors.supervision._incarnation import Incarnation
from actors.supervision._messages import Exited, StartChild, StopChild, Up
from actors.supervision._spec import Backoff, Restart, Spec, Strategy
from actors.supervision._traces import describe, long_form, stack_of

DYNAMIC_STOP_S = 5.0
MARGIN_S = 1.0
ORPHANS_END_WITHIN_S = 60.0


def supervisor(
    id: str,  # noqa: A002 - it is the spec's id
    children: Sequence[Spec],
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    *,
    max_restarts: int = 3,
    within_s: float = 30.0,
    restart: Restart = Restart.PERMANENT,
    backoff: Backoff | None = None,
    start_timeout_s: float = 30.0,
    stop_timeout_s: float | None = None,
    handler_budget_s: float = 10.0,
    capacity: int = 1000,
    escalates: bool = True,
) -> Spec:
    """Spec of a supervisor of these children, in start order.

    More than ``max_restarts`` crashes within ``within_s`` and it gives up: its own supervisor sees it crash. By default
    it may take as long to stop as its children may one after the other, and dynamic ones together.
    Raises ValueError for equal ids, and for a child whose back-off would hide its crashes from the budget.
    """
    ids = [child.id for child in children]
    if len(set(ids)) != len(ids):
        raise ValueError(f"children of {id} with the same id: {ids}")
    for child in children:
        _check_budget(id, child, max_restarts, within_s)
    if stop_timeout_s is None:
        stop_timeout_s = sum(child.stop_timeout_s for child in children) + DYNAMIC_STOP_S + MARGIN_S
    return Spec(
        id,
        Supervisor,
        {"children": tuple(children), "strategy": strategy, "max_restarts": max_restarts, "within_s": within_s},
        restart=restart,
        backoff=backoff or Backoff(),
        start_timeout_s=start_timeout_s,
        stop_timeout_s=stop_timeout_s,
        handler_budget_s=handler_budget_s,
        capacity=capacity,
        escalates=escalates,
    )


def _check_budget(id_: str, child: Spec, max_restarts: int, within_s: float) -> None:
    slowest_s = sum(child.backoff.delay_s(crashes, 1.0) for crashes in range(max_restarts))
    if child.escalates and slowest_s >= within_s:
        raise ValueError(
            f"{id_}: {child.id} would never escalate: {max_restarts} restarts take {slowest_s:g} s by its back-off, "
            f"within_s is {within_s:g}; lengthen it, or say escalates=False"
        )


class Supervisor(Actor):
    """Made by the spec that ``supervisor`` returns."""

    def __init__(
        self, context: Context, *, children: Sequence[Spec], strategy: Strategy, max_restarts: int, within_s: float
    ) -> None:
        super().__init__(context)
        self._core = Core(
            children,
            strategy,
            max_restarts=max_restarts,
            within_s=within_s,
            next_epoch=context.system.next_epoch,
            chance=context.system.chance,
        )
        self._incarnations: dict[str, Incarnation] = {}

    def started(self) -> None:
        for id_ in self._core.children:
            self.context.system.claim(self._path(id_))
        self._decide(core.Begin())

    def closing(self) -> None:
        self._decide(core.Close())

    def receive(self, message: object) -> None:
        match message:
            case Up(path, epoch):
                self._decide(Up(_name(path), epoch))
            case Exited(path, epoch, cause):
                self._decide(Exited(_name(path), epoch, cause))
            case core.Overdue(id, _, Phase.UP) if not self._overruns(id):
                pass  # it came back while the watchdog's word was on its way
            case core.Overdue() | core.BackoffOver() | StartChild() | StopChild():
                self._decide(message)
            case _:
                self.context.system.dead_letters.add(self.address.id, message, "a supervisor does not understand it")

    def _overruns(self, id_: str) -> bool:
        incarnation = self._incarnations.get(id_)
        return incarnation is not None and incarnation.overruns

    def stopped(self) -> None:
        """Leave no orphans: after a good end there are none, after a fault of our own there may be."""
        for orphan in reversed(list(self._incarnations.values())):
            orphan.order_stop()
            if not orphan.join(min(orphan.spec.stop_timeout_s, ORPHANS_END_WITHIN_S)):
                self.context.system.abandon(orphan, TimeoutError(f"{orphan.address.id} outlived its supervisor"))

    # -- from decisions to deeds

    def _path(self, id_: str) -> str:
        return f"{self.address.id}/{id_}"

    def _decide(self, event: core.Event) -> None:
        effects = self._core.handle(event, self.context.system.timers.now())
        for id_, child in self._core.children.items():
            self.context.system.board.note(self._path(id_), child.phase, child.epoch)
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: core.Effect) -> None:
        match effect:
            case core.Start(spec, epoch):
                self._start_child(spec, epoch)
            case core.Stop(id) if id in self._incarnations:  # else its start failed, and the news are on their way
                self._incarnations[id].order_stop()
            case core.Abandon(id, _, cause):
                self._abandon_child(id, cause)
            case core.After(delay_s, event):
                self.after(delay_s, event)
            case core.Report():
                self._write_line(effect)
            case core.Forget(id):
                self._forget_child(id)
            case core.Finish(None):
                self.stop()
            case core.Finish(cause):
                assert cause is not None
                raise cause

    def _start_child(self, spec: Spec, epoch: int) -> None:
        system, tell_me = self.context.system, self.context.incarnation.window.control
        address = system.claim(self._path(spec.id))
        incarnation = Incarnation(address, epoch, spec, system, tell_me)
        try:
            incarnation.live(spec.actor(Context(address, epoch, self.address, system, incarnation), **spec.arguments))
        except BaseException as error:  # told like any other death, so that there is one way to handle it
            tell_me(Exited(address.id, epoch, error))
        else:
            self._incarnations[spec.id] = incarnation

    def _abandon_child(self, id_: str, cause: TimeoutError) -> None:
        incarnation = self._incarnations.pop(id_, None)
        if incarnation is not None:
            cause.add_note(f"at {stack_of(incarnation.thread) or 'its end'}")
            self.context.system.abandon(incarnation, cause)

    def _write_line(self, report: core.Report) -> None:
        path, cause = self._path(report.id), describe(report.cause)
        self.context.system.board.note_crash(path, cause)
        what = "ended" if report.cause is None else "crashed"
        line = self.log.bind(actor=path, traceback=long_form(report.cause))
        line.error("{} {}: {}; {}", path, what, cause, report.next)

    def _forget_child(self, id_: str) -> None:
        self._incarnations.pop(id_, None)
        self.context.system.release(self._path(id_), "it has ended")


def _name(path: str) -> str:
    return path.rpartition("/")[2]
