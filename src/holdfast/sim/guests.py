"""What guests want and how often, and what a merchant knows of them: the slips of holds and sales.

A hotel's guest leaves a hold, raises it, pays in one go or in parts, sometimes changes his mind, and comes back for
his money, at once or days later; another just buys something. Now and then a cashier mistypes, and puts it right.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from random import Random
from typing import Any

from holdfast.ids import parse_trace_key
from holdfast.sim.plan import CardOf

PRE_AUTH = "pre-auth"
WISHES = (
    (PRE_AUTH, 30),
    ("moto", 3),
    ("increment", 9),
    ("complete", 11),
    ("exact ceiling", 3),
    ("over ceiling", 4),
    ("wrong date", 3),
    ("wrong code", 2),
    ("second completion", 5),
    ("complete at two tills", 3),
    ("mistyped completion", 2),
    ("mistyped hold", 2),
    ("advise", 7),
    ("advise over ceiling", 1),
    ("second advice", 1),
    ("void", 6),
    ("void in part", 2),
    ("void-completion", 6),
    ("sale", 9),
    ("void-sale", 4),
    ("refund", 6),
    ("refund too much", 2),
    ("balance", 3),
    ("forged chip", 1),
    ("script", 1),
    ("settle", 2),
    ("sign-off", 1),
    ("repeat", 5),
    ("sign-on", 2),
    ("echo", 1),
)
"""What guests want, and how often."""

COMMANDS = {
    "exact ceiling": "complete",
    "over ceiling": "complete",
    "wrong date": "complete",
    "wrong code": "complete",
    "second completion": "complete",
    "complete at two tills": "complete",
    "mistyped completion": "complete",
    "mistyped hold": PRE_AUTH,
    "advise over ceiling": "advise",
    "second advice": "advise",
    "void in part": "void",
    "refund too much": "refund",
    "forged chip": PRE_AUTH,
}
"""The command of the till for a wish that is not named like it."""

FOLLOWS = {
    "mistyped completion": "void-completion",
    "mistyped hold": "void",
}
"""What a cashier does at once about an amount that he mistyped; the right one comes after that."""

OF_TERMINAL = frozenset({"sign-on", "sign-off", "echo", "settle"})
POSTS = frozenset({"complete", "advise", "sale"})
OF_POSTS = frozenset({"void-completion", "void-sale", "refund"})
PLACES = frozenset({PRE_AUTH, "moto", "sale"})

OLD_SHARE = 0.8
"""So often a guest who comes days later comes about what he left then."""


class Posting:
    """What was completed or sold, as the slip says it."""

    def __init__(self, told: Mapping[str, Any], command: str) -> None:
        self.rrn: str = told.get("rrn") or ""
        self.trace_key: str = told["trace_key"]
        self.amount_minor = int(told["amount"])
        self.date: str = told.get("date") or "0000"
        self.command = command
        self.left_minor = self.amount_minor


class Slip:
    """An approved pre-authorization or sale as the merchant knows it.

    `state`: open, completed, sold, voided. `amount_minor` is what was asked for, increments included.
    """

    def __init__(self, told: Mapping[str, Any], card: CardOf, placed_on: date, state: str) -> None:
        self.code: str = told["authorization_code"] or ""
        self.amount_minor = int(told["amount"])
        self.trace_key: str = told["trace_key"]
        self.card = card
        self.placed_on = placed_on
        self.state = state
        self.postings: list[Posting] = []

    def takes_note(self, command: str, told: Mapping[str, Any], posting: Posting | None) -> None:
        """What was approved about it."""
        if command in POSTS:
            self.postings.append(Posting(told, command))
            self.state = "sold" if command == "sale" else "completed"
        elif command == "increment":
            self.amount_minor += told["amount"]
        elif command == "void":
            self.state = "voided"
        elif posting is not None and command == "refund":
            posting.left_minor -= told["amount"]
        elif posting is not None and posting in self.postings:
            self.postings.remove(posting)
            self.state = "voided" if command == "void-sale" else "open"

    def named(self, posting: Posting | None, dice: Random) -> dict[str, Any]:
        """How a request names it: by code and date; batch and trace when the cashier reads the whole slip."""
        named: dict[str, Any] = {
            "card": {"pan": self.card.pan, "expiry": self.card.expiry},
            "authorization_code": self.code,
            "date": self.placed_on.strftime("%m%d"),
            "supervisor": "00",
        }
        if posting is not None:
            named |= {"rrn": posting.rrn, "date": posting.date}
        key = parse_trace_key(posting.trace_key if posting else self.trace_key)
        if posting is not None or dice.random() < 0.5:
            named |= {"original_batch": key.batch, "original_stan": key.stan}
        return named


class Notebook:
    """The slips of one merchant; those of earlier days are taken up first when guests come back."""

    def __init__(self) -> None:
        self.slips: list[Slip] = []
        self._old_n = 0

    def turn_page(self) -> None:
        """Another day begins: what is in the book now is old."""
        self._old_n = len(self.slips)

    def for_wish(self, wish: str, dice: Random, of: Slip | None = None) -> tuple[Slip | None, Posting | None]:
        """The slip that a wish is about, and its posting; `of` is the only one that it may be about."""
        command, slips = COMMANDS.get(wish, wish), [of] if of is not None else self.slips
        if command in OF_POSTS:
            return self._posting(command, slips, dice)
        state = "completed" if wish.startswith("second") else "open"
        return self._some(dice, [(slip, None) for slip in slips if slip.state == state])

    def _posting(self, command: str, slips: Sequence[Slip], dice: Random) -> tuple[Slip | None, Posting | None]:
        wanted = {"void-completion": ("complete",), "void-sale": ("sale",)}.get(command, tuple(sorted(POSTS)))
        found = [
            (slip, posting)
            for slip in slips
            for posting in slip.postings
            if posting.command in wanted and posting.left_minor > 0
        ]
        return self._some(dice, found)

    def _some(self, dice: Random, found: Sequence[tuple[Slip, Posting | None]]) -> tuple[Slip | None, Posting | None]:
        """One of them; an old one where there is any, as a rule; else recent ones are more likely."""
        if not found:
            return None, None
        if self._old_n and dice.random() < OLD_SHARE:
            old = set(map(id, self.slips[: self._old_n]))
            found = [each for each in found if id(each[0]) in old] or found
        return found[-1 - min(int(dice.expovariate(0.4)), len(found) - 1)]
