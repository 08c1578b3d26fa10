"""Cashiers and cardholders: who comes when, what they want, and what they do wrong.

A cashier serves one till. Cardholders come whether or not the till works; whoever waits is served later. What was
approved goes into the merchant's notebook, from which another till of the same merchant may complete or void it. A
cashier who was told "unknown" treats the slip as if nothing had happened, which is what the promise allows. What he
does while the answer is on its way is in `habits`.
"""

from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, NamedTuple

from holdfast.clock import MINUTE_US, SECOND_US, local
from holdfast.money import percent_of
from holdfast.parties.entered import KINDS
from holdfast.sim import purses
from holdfast.sim.facts import Asked
from holdfast.sim.guests import COMMANDS, FOLLOWS, OF_TERMINAL, PLACES, PRE_AUTH, WISHES, Notebook, Posting, Slip
from holdfast.sim.habits import Habits, Till
from holdfast.sim.labels import RIGHT_PIN, WRONG_PIN
from holdfast.sim.machine import Stage
from holdfast.sim.plan import choose_card
from holdfast.sim.purses import Purse

GUESTS_PER_MINUTE = 1.3
"""At each till: so that 300 requests in 30 minutes are reached in a hostile world too."""

REFUSED_PAUSE_S = (1.0, 6.0)
TRIES_MAX = 6
"""So often a cashier tries what the till refuses on the spot, before the guest leaves."""

GIVE_UP_US = 240 * SECOND_US
"""A cashier who hears nothing for so long serves the next guest."""

SETTLES_AFTER_ADVICE_SHARE = 0.2
"""So often a cashier settles while an advice may still wait to be told."""

SETTLES_SHARE = 0.6
"""So many tills are settled at closing time."""


class Guest(NamedTuple):
    """Somebody who comes: what he wants, the dice of all that he does, and the only slip that it may be about."""

    wish: str
    dice: Random
    slip: Slip | None = None


class Visit:
    """One guest at the till: what he wants, the slip it is about, and how often it was tried."""

    def __init__(self, guest: Guest, tries: int) -> None:
        self.guest = guest
        self.wish = guest.wish
        self.tries = tries
        self.dice = guest.dice
        """The guest's own, so that a day without this guest is otherwise the same."""
        self.name = COMMANDS.get(guest.wish, guest.wish)
        self.cancelled = False
        self.slip: Slip | None = None
        self.posting: Posting | None = None
        self.arguments: dict[str, Any] = {}

    def asked(self) -> Asked:
        """What was asked for."""
        return Asked(self.name, self.arguments["card"]["pan"], self.arguments.get("amount_minor", 0))


class Cashier:
    """One cashier at one till, until closing time."""

    def __init__(self, stage: Stage, till: Till, shop: "Shop", only: frozenset[str] | None = None) -> None:
        self._scheduler = stage.scheduler
        self._till = till
        self._notebook = shop.notebook
        self._purse = shop.purse
        self._staff = shop.staff
        self._staff.append(self)
        self._complain = stage.complain
        self._labels = stage.labels
        self._seed = f"{stage.seed}/{till.name}"
        self._dice = Random(f"{self._seed}/cashier")
        self._only = only
        self._habits = Habits(stage, till)
        self.asked: dict[str, Asked] = {}
        """What he asked for, by trace key: as far as the till ever told him which."""
        self.guests: list[str] = []
        """Those who came, by name: `T0000001:7` is the seventh who might come to that till."""
        self._known = 0
        self._waiting: deque[Guest] = deque()
        self._serving: Visit | None = None
        self._last_key = ""
        self._last_paper: object = None
        self._closed = False

    def open_shop(self, minutes: int) -> None:
        """Guests come from now on, for so long."""
        span_us = minutes * MINUTE_US
        kinds, weights = zip(*WISHES, strict=True)
        self._closed = False
        self._notebook.turn_page()
        for _ in range(max(1, round(minutes * GUESTS_PER_MINUTE))):
            dice = self._next_dice()
            at_us, wish = dice.randrange(span_us), dice.choices(kinds, weights)[0]
            self._expect(at_us, Guest(wish, dice))
        self._scheduler.after(span_us, self._close)
        dice = self._next_dice()
        if dice.random() < SETTLES_SHARE:
            self._expect(span_us, Guest("settle", dice))

    def _next_dice(self) -> Random:
        self._known += 1
        return Random(f"{self._seed}/{self._known}")

    def _expect(self, at_us: int, guest: Guest) -> None:
        name = f"{self._till.name}:{self._known}"
        if self._only is None or name in self._only:
            self.guests.append(name)
            self._scheduler.after(at_us, partial(self.comes, guest))

    def power_failed(self) -> None:
        """The till is dark: the guest is sent away, the next one waits for the light."""
        self._serving = None
        self._scheduler.after(pause_us(self._dice), self._next)

    def _close(self) -> None:
        self._closed = True
        self._waiting.clear()

    def comes(self, guest: Guest) -> None:
        """One more guest, who waits for his turn."""
        self._waiting.append(guest)
        self._next()

    def _next(self) -> None:
        if self._serving is None and self._waiting:
            self._serve(self._waiting.popleft(), 0)

    # --- one guest ------------------------------------------------------------------------------------------------

    def _serve(self, guest: Guest, tries: int) -> None:
        visit = self._serving = self._wanted(guest, tries)
        wanted = visit.name if guest.wish == visit.name else f"{guest.wish}: {visit.name}"
        self._scheduler.note(f"{self._till.name} {wanted}")
        self._scheduler.after(GIVE_UP_US, partial(self._gives_up, visit))
        self._till.command(visit.name, visit.arguments, partial(self._told, visit))
        if visit.wish == "complete at two tills" and visit.slip is not None and not tries:
            others = [cashier for cashier in self._staff if cashier is not self]
            visit.dice.choice(others).comes(Guest("complete", Random(visit.dice.random()), visit.slip))
        if not tries and self.awaits(visit) and visit.name in KINDS:
            self._habits.may_show(visit, self)

    def awaits(self, visit: Visit) -> bool:
        """Whether this guest's answer is still on its way."""
        return self._serving is visit

    def turns_away(self, visit: Visit) -> None:
        """The next one is served while the answer is on its way; who waits for nobody finds somebody."""
        self._serving = None
        if not self._waiting:
            self._waiting.append(Guest(PRE_AUTH, Random(visit.dice.random())))
        self._next()

    def _told(self, visit: Visit, told: Mapping[str, Any]) -> None:
        outcome, name = told["outcome"], visit.name
        if outcome in ("approved", "stored") and name in KINDS:
            # Whoever is served by now: the paper comes out of the till.
            self._write_down(visit, told)
        if told.get("trace_key") and name in KINDS:
            self._last_key = told["trace_key"]
            self.asked[self._last_key] = visit.asked()
            self._note_pin(visit, self._last_key)
        if not self.awaits(visit):
            return
        self._serving = None
        if visit.cancelled and not self._closed:
            self._till.take_back(told)
            self._waiting.appendleft(visit.guest)
        elif outcome == "approved" and visit.wish in FOLLOWS:
            right = Guest(visit.name, visit.dice, visit.slip if visit.name == "complete" else None)
            self._waiting.extendleft((right, Guest(FOLLOWS[visit.wish], visit.dice, visit.slip)))
        if outcome == "stored" and visit.dice.random() < SETTLES_AFTER_ADVICE_SHARE:
            self._waiting.appendleft(Guest("settle", visit.dice))
        refused = outcome == "declined" and not told.get("response_code")
        if refused and not told.get("mistake") and visit.tries < TRIES_MAX and (not self._closed or name == "settle"):
            wish = "sign-on" if told.get("reason") == "not signed on" else visit.wish
            self._serving = visit
            again = partial(self._again, visit, visit.guest._replace(wish=wish), visit.tries + 1)
            self._scheduler.after(pause_us(visit.dice), again)
        else:
            self._scheduler.after(pause_us(visit.dice), self._next)

    def _note_pin(self, visit: Visit, trace_key: str) -> None:
        if pin := visit.arguments.get("pin"):
            self._labels.put(trace_key, WRONG_PIN if pin == purses.WRONG_PIN else RIGHT_PIN)

    def _again(self, visit: Visit, guest: Guest, tries: int) -> None:
        if self._serving is visit:
            self._serve(guest, tries)

    def _gives_up(self, visit: Visit) -> None:
        if self._serving is visit:
            self._serving = None
            self._next()

    def _write_down(self, visit: Visit, told: Mapping[str, Any]) -> None:
        if visit.wish == "forged chip":
            self._complain(f"I1: {told['trace_key']}: a forged chip was {told['outcome']}")
        if visit.name in PLACES:
            # The slip bears a date without a year: the one nearest to now is meant.
            today = local(self._scheduler.now_us).date()
            days = (today + timedelta(days=days) for days in (0, -1, 1))
            placed_on = next((day for day in days if day.strftime("%m%d") == told["date"]), today)
            slip = visit.slip = Slip(told, visit.arguments["card_of"], placed_on, "open")
            self._notebook.slips.append(slip)
            if visit.name == "sale":
                slip.takes_note("sale", told, None)
        elif visit.slip is not None:
            visit.slip.takes_note(visit.name, told, visit.posting)
        paper = told.get("paper")
        self._last_paper = paper if paper is not None and paper.of_chip else self._last_paper

    # --- what is wanted -------------------------------------------------------------------------------------------

    def _wanted(self, guest: Guest, tries: int) -> Visit:
        """The command and its arguments; where there is nothing that it could be about, a new guest comes instead."""
        visit, wish, dice = Visit(guest, tries), guest.wish, guest.dice
        if wish in OF_TERMINAL:
            return visit
        if wish == "script":
            visit.arguments = {"paper": self._last_paper}
            return visit if self._last_paper is not None else self._wanted(Guest("echo", dice), tries)
        if wish == "repeat" and self._last_key:
            visit.arguments = {"trace_key": self._last_key}
            return visit
        if visit.name in PLACES or wish == "balance":
            visit.arguments = self._placing(visit)
            return visit
        visit.slip, visit.posting = self._notebook.for_wish(wish, dice, guest.slip)
        if visit.slip is None:
            return self._wanted(Guest(PRE_AUTH, dice), tries)
        visit.arguments = self._about(visit, visit.slip)
        return visit

    def _placing(self, visit: Visit) -> dict[str, Any]:
        dice = visit.dice
        card = choose_card(dice, self._purse.cards)
        amount_minor = dice.randrange(50_00, 900_00) if visit.name != "balance" else 0
        presented = self._purse.presented(card, visit.name, amount_minor, self._scheduler.now_us, dice)
        if visit.wish == "forged chip":
            presented = self._purse.forged(card, visit.name, amount_minor, self._scheduler.now_us, dice)
        arguments = presented | {"card_of": card, "supervisor": "00"}
        return arguments if visit.name == "balance" else arguments | {"amount_minor": amount_minor}

    def _about(self, visit: Visit, slip: Slip) -> dict[str, Any]:
        """What a linked request says of its original."""
        dice, amount_minor = visit.dice, self._amount(visit, slip)
        arguments = slip.named(visit.posting, dice) | {"amount_minor": amount_minor}
        if visit.name == "increment":
            now_us = self._scheduler.now_us
            arguments |= self._purse.presented(slip.card, visit.name, amount_minor, now_us, dice)
        if visit.wish == "wrong date":
            arguments["date"] = (slip.placed_on - timedelta(days=dice.choice((1, 2, 30)))).strftime("%m%d")
        if visit.wish == "wrong code":
            arguments["authorization_code"] = f"{dice.randrange(1_000_000):06d}"
        return arguments

    def _amount(self, visit: Visit, slip: Slip) -> int:
        dice = visit.dice
        if visit.posting is not None:
            posting = visit.posting
            if visit.wish == "refund too much":
                return posting.left_minor + dice.randrange(1, 50_00)
            part = visit.wish == "refund" and dice.random() < 0.6
            return percent_of(posting.left_minor, dice.randrange(20, 80)) or 1 if part else posting.amount_minor
        if visit.wish == "void":
            return slip.amount_minor
        if visit.wish == "mistyped completion":
            return percent_of(slip.amount_minor, dice.randrange(101, 116))
        if visit.wish == "exact ceiling":
            return percent_of(slip.amount_minor, 115)
        if visit.wish.endswith("over ceiling"):
            return percent_of(slip.amount_minor, 130) + dice.randrange(1, 5_000)
        return percent_of(slip.amount_minor, dice.randrange(30, 100)) or 1


class Shop(NamedTuple):
    """What the tills of one merchant share: slips, cardholders, and who works there."""

    notebook: Notebook
    purse: Purse
    staff: list[Cashier]


def pause_us(dice: Random) -> int:
    """A moment until the next guest, or until it is tried again."""
    return int(dice.uniform(*REFUSED_PAUSE_S) * SECOND_US)
