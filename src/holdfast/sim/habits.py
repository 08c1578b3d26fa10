"""What cashiers do while the answer is on its way: nobody who waits for a machine only waits.

    walks away    the cardholder leaves, or the cashier serves the next one; the paper comes out all the same
    cancels       the cashier presses cancel, and then does the same again
    switches off  the device goes dark before the answer comes
    signs off     the cashier goes home before he saw the answer

Whether one of them shows is drawn for every visit by the dice of misfortune, so that a story can be told without it.
It counts when it took effect: before the answer was there.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from holdfast.clock import SECOND_US
from holdfast.sim.faults import CANCELS, SIGNS_OFF, SWITCHES_OFF, WALKS_AWAY
from holdfast.sim.machine import Stage

SOON_S = (0.002, 20.0)
"""So soon after asking: often before the answer can be there, now and then after many tries."""
GOES_HOME_TRIES = 5
GOES_HOME_PAUSE_US = 2 * SECOND_US

Tell = Callable[[Mapping[str, Any]], None]


class Till(Protocol):
    """What stands before a cashier."""

    name: str

    @property
    def powered(self) -> bool:
        """Whether it runs."""

    def power_off(self) -> None:
        """It is dark at once, and runs again after a while."""

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> None:
        """One command; `tell` is called once, unless the power goes off before."""

    def cancel(self) -> bool:
        """The cancel key while an answer is on its way; whether the till took notice of it."""

    def take_back(self, told: Mapping[str, Any]) -> None:
        """What was approved just now was not wanted."""


class Awaited(Protocol):
    """One guest, whose request was asked."""

    cancelled: bool


AnyVisit = TypeVar("AnyVisit", bound=Awaited, contravariant=True)


class Serving(Protocol[AnyVisit]):
    """The cashier, as far as habits go."""

    def awaits(self, visit: AnyVisit) -> bool:
        """Whether this guest's answer is still on its way."""

    def turns_away(self, visit: AnyVisit) -> None:
        """The next one is served while the answer is on its way."""


class Habits:
    """The habits of one cashier at one till."""

    def __init__(self, stage: Stage, till: Till) -> None:
        self._faults = stage.faults
        self._scheduler = stage.scheduler
        self._till = till

    def may_show(self, visit: AnyVisit, cashier: Serving[AnyVisit]) -> None:
        """A guest's request was asked: whether the cashier will do one of these things soon."""
        acts: dict[str, Callable[[], None]] = {
            WALKS_AWAY: partial(cashier.turns_away, visit),
            CANCELS: partial(self._cancels, visit),
            SWITCHES_OFF: self._switches_off,
            SIGNS_OFF: partial(self._goes_home, 1),
        }
        for kind, act in acts.items():
            if self._faults.strikes(kind):
                soon_us = self._faults.of_any_size(*SOON_S)
                self._scheduler.after(soon_us, partial(self._shows, kind, act, visit, cashier))

    def _shows(self, kind: str, act: Callable[[], None], visit: AnyVisit, cashier: Serving[AnyVisit]) -> None:
        if cashier.awaits(visit):
            self._scheduler.note(f"{self._till.name} cashier {kind}")
            self._faults.count(kind)
            act()

    def _cancels(self, visit: Awaited) -> None:
        if self._till.cancel():
            visit.cancelled = True

    def _switches_off(self) -> None:
        if self._till.powered:
            self._till.power_off()

    def _goes_home(self, tries: int) -> None:
        self._till.command("sign-off", {}, partial(self._told, tries))

    def _told(self, tries: int, told: Mapping[str, Any]) -> None:
        """Refused while something is open: he tries until he may go."""
        refused = told["outcome"] == "declined" and not told.get("response_code")
        if refused and tries < GOES_HOME_TRIES:
            self._scheduler.after(GOES_HOME_PAUSE_US, partial(self._goes_home, tries + 1))
