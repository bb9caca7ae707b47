"""Twenty thousand messages at 1 % crashes: none lost beyond the one in flight, none handled twice, no thread left."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from actors.supervision import Actor, Context, Phase, Spec, System, supervisor
from tests.kit import wait_until

MESSAGES = 20_000
ACTORS = 4
TELLERS = 4
CRASHES = 0.01


class Fragile(Actor):
    """Crashes at one message in a hundred, in several ways, before it has handled it."""

    def __init__(self, context: Context, *, handled: list[int], fatal: dict[int, type[BaseException]]) -> None:
        super().__init__(context)
        self._handled, self._fatal = handled, fatal

    def receive(self, message: object) -> None:
        assert isinstance(message, int)
        if message in self._fatal:
            raise self._fatal[message]
        self._handled.append(message)


@pytest.mark.promise("P35")
def test_nothing_is_lost_or_doubled_by_crashes(log_lines):
    chance = random.Random(7)
    kinds = (ValueError, SystemExit, KeyboardInterrupt, MemoryError)
    fatal = {number: kinds[number % 4] for number in range(MESSAGES) if chance.random() < CRASHES}
    handled: list[list[int]] = [[] for _ in range(ACTORS)]
    children = [
        Spec(f"a{index}", Fragile, {"handled": handled[index], "fatal": fatal}, capacity=MESSAGES)
        for index in range(ACTORS)
    ]
    system = System(supervisor("root", children, max_restarts=MESSAGES, within_s=3600), boot=1)
    system.start()
    wait_until(lambda: [row.phase for row in system.snapshot()] == [Phase.UP] * (ACTORS + 1))
    addresses = [system.address(f"root/a{index}") for index in range(ACTORS)]

    def tell(teller: int) -> None:
        for number in range(teller, MESSAGES, TELLERS):
            assert addresses[number % ACTORS].tell(number)

    tellers = [threading.Thread(target=tell, args=(teller,)) for teller in range(TELLERS)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    wait_until(lambda: sum(map(len, handled)) == MESSAGES - len(fatal), 60)
    system.stop()
    assert system.wait(10)
    assert system.cause is None

    counts = Counter(number for numbers in handled for number in numbers)
    assert set(counts) == set(range(MESSAGES)) - set(fatal), "only what was in flight at a crash is lost"
    assert set(counts.values()) == {1}
    for index, numbers in enumerate(handled):
        for teller in range(TELLERS):
            own = [number for number in numbers if number % TELLERS == teller]
            assert own == sorted(own), f"mail of one sender to a{index} stays in order"
    assert system.board.restarts == len(fatal) > 100
    assert sum("crashed" in line for line in log_lines) == len(fatal)
    assert system.dead_letters.total == 0
