"""One database and the machines that work on it; its disk may be full."""

from typing import TYPE_CHECKING

from holdfast.domain.tables import DUE
from holdfast.sim.faults import DISK_FULL, Faults
from holdfast.sim.scheduler import Scheduler
from holdfast.store.memory_database import MemoryDatabase

if TYPE_CHECKING:
    from holdfast.sim.machine import Machine


class Site:
    """One database and the machines that work on it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.database = MemoryDatabase(scheduler.now_s)
        self.machines: list[Machine] = []
        self._scheduler = scheduler
        self._full_until_us = 0
        self._full_unnoticed = False

    def fill(self, duration_us: int) -> None:
        """For so long nothing can be written."""
        self._full_until_us, self._full_unnoticed = self._scheduler.now_us + duration_us, True

    def clear(self) -> None:
        """There is room again."""
        if self._full_until_us > self._scheduler.now_us:
            self._full_until_us = 0
            for machine in self.machines:
                machine.try_again()

    @property
    def full_for_us(self) -> int:
        """How long it is in vain to try again."""
        return max(0, self._full_until_us - self._scheduler.now_us)

    def refuses(self, faults: Faults) -> bool:
        """Whether nothing can be written now: it counts when somebody notices."""
        if self._scheduler.now_us >= self._full_until_us:
            return False
        if self._full_unnoticed:
            self._full_unnoticed = False
            faults.count(DISK_FULL)
        return True

    def next_due_us(self) -> int | None:
        """When the next due row's time comes."""
        due = self.database.table(DUE).due
        return due[0][0] if due else None

    def last_due_us(self) -> int:
        """When the last one's time comes, 0 when there is none."""
        due = self.database.table(DUE).due
        return due[-1][0] if due else 0

    def changed(self) -> None:
        """Somebody committed: whoever polls for due rows sees it."""
        for machine in self.machines:
            machine.mind_due()
