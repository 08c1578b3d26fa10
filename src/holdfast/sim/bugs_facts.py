"""Planted bugs of what entries, slips, findings and answers say: the money moves rightly, and the record is wrong."""

from collections.abc import Callable
from dataclasses import replace

from holdfast.clock import DAY_US, local_date
from holdfast.domain.commands import FINDING
from holdfast.parties.entered import KINDS
from holdfast.parties.step import Command, Event, Outcome, Outgoing, Received, Step
from holdfast.sim.tampering import Bug, Decided, Facts, acquirer, saying, terminal

ANSWERS = ("0110", "0210", "0230")
PAN_FIELD, CURRENCY_FIELD = 2, 49
DOLLAR = "840"


def opening(said: Callable[[Facts], Facts]) -> Decided:
    """What opens a request says something else."""

    def decided(event: Event, step: Step) -> Step:
        return saying(step, lambda facts: facts | said(facts) if "question" in facts else facts)

    return decided


def found(said: Callable[[Facts], Facts]) -> Decided:
    """A finding says something else."""

    def decided(event: Event, step: Step) -> Step:
        return saying(step, lambda facts: facts | said(facts) if facts["kind"] == FINDING else facts)

    return decided


def printed(said: Callable[[Facts], Facts]) -> Decided:
    """What a cashier is told of an approved request says something else."""

    def decided(event: Event, step: Step) -> Step:
        sends = [
            send._replace(value={**send.value, **said(dict(send.value))})
            if isinstance(send, Outcome) and send.value["outcome"] == "approved" and send.value.get("card")
            else send
            for send in step.send
        ]
        return step._replace(send=tuple(sends))

    return decided


def dollars_for_foreign_cards(facts: Facts) -> Facts:
    """Foreign cards are registered in their own currency."""
    return {"currency": DOLLAR} if facts.get("scheme", "CUP") != "CUP" else {}


def by_the_calendar(facts: Facts) -> Facts:
    """The day of business ends at midnight."""
    return {"business_date": local_date(facts["at"]).isoformat()}


def last_four_only(facts: Facts) -> Facts:
    """The mask hides the first digits, too."""
    return {"card": "*" * 12 + facts["card"][-4:]} if facts.get("card") else {}


def with_the_card_number(event: Event, step: Step) -> Step:
    """The whole message is registered, card number and all."""
    pan = event.message.get(PAN_FIELD) if isinstance(event, Received) and not event.peer else ""
    return opening(lambda facts: {"received": f"DE2={pan}"} if pan else {})(event, step)


def with_the_pin(event: Event, step: Step) -> Step:
    """The journal says all that was entered."""
    pin = event.arguments.get("pin") if isinstance(event, Command) and event.name in KINDS else ""
    return saying(step, lambda facts: facts | {"entered": pin} if pin and facts["phase"] == "asked" else facts)


def answered_in_dollars(event: Event, step: Step) -> Step:
    """Answers to terminals are in another currency than what was asked."""
    sends = [
        send._replace(message=replace(send.message, fields={**send.message.fields, CURRENCY_FIELD: DOLLAR}))
        if isinstance(send, Outgoing) and send.message.mti in ANSWERS and CURRENCY_FIELD in send.message.fields
        else send
        for send in step.send
    ]
    return step._replace(send=tuple(sends))


BUGS: dict[str, Bug] = {
    "registered-in-dollars": Bug(
        "a foreign card's request is registered in another currency",
        acquirer(decided=opening(dollars_for_foreign_cards)),
    ),
    "business-day-by-calendar": Bug(
        "the business date does not change at the cut-over", acquirer(decided=opening(by_the_calendar))
    ),
    "rrn-without-log": Bug(
        "two logs give the same reference number",
        acquirer(decided=opening(lambda facts: {"rrn": f"{facts['number']:012d}"})),
    ),
    "operator-is-system": Bug(
        "an entry does not say which operator asked", acquirer(decided=opening(lambda facts: {"actor": "system"}))
    ),
    "another-mask": Bug("an entry masks the card too much", acquirer(decided=opening(last_four_only))),
    "card-number-registered": Bug(
        "an entry of the register holds the card number", acquirer(decided=with_the_card_number)
    ),
    "pin-journaled": Bug("an entry of a journal holds the PIN", terminal(decided=with_the_pin)),
    "slip-of-another-card": Bug(
        "a slip shows another card", terminal(decided=printed(lambda told: {"card": told["card"][:-4] + "0000"}))
    ),
    "slip-with-another-code": Bug(
        "a slip bears another authorization code than was given",
        terminal(decided=printed(lambda told: {"authorization_code": "000000"})),
    ),
    "finding-due-in-a-year": Bug(
        "a finding is due in a year",
        acquirer(decided=found(lambda facts: {"due": facts["at"] + 365 * DAY_US})),
    ),
    "finding-with-nothing-to-do": Bug(
        "a finding does not say what is to be done", acquirer(decided=found(lambda facts: {"next_action": ""}))
    ),
    "answered-in-dollars": Bug("an answer is in another currency", acquirer(decided=answered_in_dollars)),
}
