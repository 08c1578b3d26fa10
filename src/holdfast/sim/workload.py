"""Cashiers and cardholders: who comes when, what they want, and what they do wrong.

A cashier serves one till. Cardholders come whether or not the till works; whoever waits is served later. What was
approved goes into the merchant's notebook, from which another till of the same merchant may complete or void it. A
cashier who was told "unknown" treats the slip as if nothing had happened, which is what the promise allows.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any, Protocol

from holdfast.clock import MINUTE_US, SECOND_US, local
from holdfast.ids import parse_trace_key
from holdfast.money import percent_of
from holdfast.sim.plan import CardOf, choose_card
from holdfast.sim.scheduler import Scheduler

GUESTS_PER_MINUTE = 1.6
"""At each till: so that 300 requests in 30 minutes are reached in a hostile world too."""

REFUSED_PAUSE_S = (1.0, 6.0)
TRIES_MAX = 6
"""So often a cashier tries what the till refuses on the spot, before the guest leaves."""

GIVE_UP_US = 240 * SECOND_US
"""A cashier who hears nothing for so long serves the next guest."""

WISHES = (
    ("pre-auth", 44),
    ("lower", 14),
    ("exact ceiling", 4),
    ("over ceiling", 5),
    ("wrong date", 5),
    ("wrong code", 2),
    ("second completion", 6),
    ("void", 8),
    ("void in part", 2),
    ("repeat", 6),
    ("sign-on", 2),
    ("echo", 2),
)
"""What guests want, and how often."""

Tell = Callable[[Mapping[str, Any]], None]


class Till(Protocol):
    """What stands before a cashier."""

    name: str

    def command(self, name: str, arguments: Mapping[str, Any], tell: Tell) -> None:
        """One command; `tell` is called once, unless the power goes off before."""


class Slip:
    """An approved pre-authorization as the merchant knows it."""

    def __init__(self, told: Mapping[str, Any], card: CardOf, placed_on: date) -> None:
        self.code: str = told["authorization_code"]
        self.amount_minor: int = told["amount"]
        self.trace_key: str = told["trace_key"]
        self.card = card
        self.placed_on = placed_on
        self.state = "open"


class Notebook:
    """The slips of one merchant."""

    def __init__(self) -> None:
        self.slips: list[Slip] = []

    def some(self, dice: Random, state: str) -> Slip | None:
        """One of the slips in that state; recent ones are more likely."""
        fitting = [slip for slip in self.slips if slip.state == state]
        return fitting[-1 - min(int(dice.expovariate(0.4)), len(fitting) - 1)] if fitting else None


class Cashier:
    """One cashier at one till, until closing time."""

    def __init__(
        self, scheduler: Scheduler, till: Till, notebook: Notebook, cards: tuple[CardOf, ...], dice: Random
    ) -> None:
        self._scheduler = scheduler
        self._till = till
        self._notebook = notebook
        self._cards = cards
        self._dice = dice
        self._guests: deque[str] = deque()
        self._serving: object | None = None
        self._last_key = ""
        self._closed = False

    def open_shop(self, minutes: int) -> None:
        """Guests come from now on, for so long."""
        span_us = minutes * MINUTE_US
        coming = max(1, round(minutes * GUESTS_PER_MINUTE))
        kinds, weights = zip(*WISHES, strict=True)
        for at_us in sorted(self._dice.randrange(span_us) for _ in range(coming)):
            wish = self._dice.choices(kinds, weights)[0]
            self._scheduler.after(at_us, partial(self._comes, wish))
        self._scheduler.after(span_us, self._close)

    def power_failed(self) -> None:
        """The till is dark: the guest is sent away, the next one waits for the light."""
        self._serving = None
        self._scheduler.after(self._pause_us(), self._next)

    def _close(self) -> None:
        self._closed = True
        self._guests.clear()

    def _comes(self, wish: str) -> None:
        self._guests.append(wish)
        self._next()

    def _next(self) -> None:
        if self._serving is None and self._guests:
            self._serve(self._guests.popleft(), 0)

    # --- one guest ------------------------------------------------------------------------------------------------

    def _serve(self, wish: str, tries: int) -> None:
        name, arguments, slip = self._wanted(wish)
        visit = object()
        self._serving = visit
        self._scheduler.note(f"{self._till.name} {wish} {name}")
        self._scheduler.after(GIVE_UP_US, partial(self._gives_up, visit))
        self._till.command(name, arguments, partial(self._told, visit, wish, name, slip, arguments, tries))

    def _told(
        self,
        visit: object,
        wish: str,
        name: str,
        slip: Slip | None,
        arguments: Mapping[str, Any],
        tries: int,
        told: Mapping[str, Any],
    ) -> None:
        if self._serving is not visit:
            return
        self._serving = None
        outcome = told["outcome"]
        if outcome == "approved" and name in ("pre-auth", "complete", "void"):
            self._write_down(name, slip, arguments, told)
        if told.get("trace_key") and name in ("pre-auth", "complete", "void"):
            self._last_key = told["trace_key"]
        refused = outcome == "declined" and not told.get("response_code")
        if refused and tries < TRIES_MAX and not self._closed:
            wish = "sign-on" if told.get("reason") == "not signed on" else wish
            self._serving = visit
            self._scheduler.after(self._pause_us(), partial(self._again, visit, wish, tries + 1))
        else:
            self._scheduler.after(self._pause_us(), self._next)

    def _again(self, visit: object, wish: str, tries: int) -> None:
        if self._serving is visit:
            self._serve(wish, tries)

    def _gives_up(self, visit: object) -> None:
        if self._serving is visit:
            self._serving = None
            self._next()

    def _pause_us(self) -> int:
        return int(self._dice.uniform(*REFUSED_PAUSE_S) * SECOND_US)

    def _write_down(self, name: str, slip: Slip | None, arguments: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        if name == "pre-auth":
            # The slip bears a date without a year: the one nearest to now is meant.
            today = local(self._scheduler.now_us).date()
            days = (today + timedelta(days=days) for days in (0, -1, 1))
            placed_on = next((day for day in days if day.strftime("%m%d") == told["date"]), today)
            self._notebook.slips.append(Slip(told, arguments["card_of"], placed_on))
        elif slip is not None:
            slip.state = "completed" if name == "complete" else "voided"

    # --- what is wanted -------------------------------------------------------------------------------------------

    def _wanted(self, wish: str) -> tuple[str, dict[str, Any], Slip | None]:
        """The command, its arguments, and the slip it is about."""
        if wish in ("sign-on", "echo"):
            return wish, {}, None
        if wish == "repeat" and self._last_key:
            return "repeat", {"trace_key": self._last_key}, None
        slip = self._notebook.some(self._dice, "completed" if wish == "second completion" else "open")
        if wish in ("pre-auth", "repeat") or slip is None:
            return "pre-auth", self._placing(), None
        void = wish.startswith("void")
        arguments = self._about(slip) | {"amount_minor": self._amount(wish, slip)}
        if wish == "wrong date":
            arguments["date"] = (slip.placed_on - timedelta(days=self._dice.choice((1, 2, 30)))).strftime("%m%d")
        if wish == "wrong code":
            arguments["authorization_code"] = f"{self._dice.randrange(1_000_000):06d}"
        return ("void" if void else "complete"), arguments, slip

    def _placing(self) -> dict[str, Any]:
        card = choose_card(self._dice, self._cards)
        given: dict[str, Any] = {"pan": card.pan, "expiry": card.expiry}
        if self._dice.random() < 0.5:
            given = {"track2": f"{card.pan}={card.expiry}201"}
        arguments = {"card": {"pan": card.pan, "expiry": card.expiry, **given}, "card_of": card}
        amount_minor = self._dice.randrange(50_00, 900_00)
        return arguments | {"amount_minor": amount_minor, "pin": card.pin if self._dice.random() < 0.3 else ""}

    def _about(self, slip: Slip) -> dict[str, Any]:
        """What a completion or void says of its original; batch and trace when the cashier reads the whole slip."""
        named: dict[str, Any] = {}
        if self._dice.random() < 0.5:
            key = parse_trace_key(slip.trace_key)
            named = {"original_batch": key.batch, "original_stan": key.stan}
        return named | {
            "card": {"pan": slip.card.pan, "expiry": slip.card.expiry},
            "authorization_code": slip.code,
            "date": slip.placed_on.strftime("%m%d"),
            "supervisor": "99",
        }

    def _amount(self, wish: str, slip: Slip) -> int:
        if wish == "void":
            return slip.amount_minor
        if wish == "exact ceiling":
            return percent_of(slip.amount_minor, 115)
        if wish == "over ceiling":
            return percent_of(slip.amount_minor, 115) + self._dice.randrange(1, 5_000)
        return percent_of(slip.amount_minor, self._dice.randrange(30, 100)) or 1
