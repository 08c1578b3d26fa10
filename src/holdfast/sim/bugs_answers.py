"""Planted bugs of answers and of time: a no without a reason, a yes in spite of one, ends that come at a wrong time."""

from typing import Any, cast

from holdfast.clock import DAY_US
from holdfast.domain.records import ACCOUNTS, FREEZES, HOLDS, ISSUER_LINKS, MERCHANTS, SALES
from holdfast.domain.tables import DUE, Due, Table
from holdfast.parties.step import Event, KeyOperation, Received, RowOf, Step, Want
from holdfast.sim.bugs_issuer import CLEARING, of_release
from holdfast.sim.tampering import Bug, Told, acquirer, asked, issuer, never_again, saying, terminal, with_rows, without

QUESTIONS = ("0100", "0200")
ASKED_NOW = ("000000", "030000")
"""DE3 of what asks for money: sales, completions, and what places or increases a hold."""
PLACES = "030000"
NUMBER_FIELD, CODE_FIELD = 11, 3
RICHER_MINOR = 10**12
SHARE = 4
LATER_US = 9 * DAY_US


def is_fourth(event: Event) -> bool:
    """One question in four, by its number."""
    return asked(event, *QUESTIONS) and int(cast(Received, event).message.get(NUMBER_FIELD)) % SHARE == 0


def asks_for_money(event: Event) -> bool:
    """Whether cover decides about it."""
    return asked(event, *QUESTIONS) and cast(Received, event).message.get(CODE_FIELD) in ASKED_NOW


# --- what is answered ---------------------------------------------------------------------------------------------


def taken_for_voided(table: Table) -> Told:
    """One in four requests finds its hold voided, which stands."""

    def told(event: Event, want: Want, answer: Any) -> Any:
        meant = isinstance(want, RowOf) and want.table is table and answer is not None
        return answer._replace(state="voided") if meant and is_fourth(event) else answer

    return told


def richer(event: Event, want: Want, answer: Any) -> Any:
    """Any account covers anything."""
    return moved(answer, RICHER_MINOR) if of_account(event, want) else answer


def as_rich_as_before(event: Event, step: Step) -> Step:
    """What is written is what the account has."""
    if not asks_for_money(event):
        return step
    return with_rows(step, ACCOUNTS, lambda row: row if CLEARING in row.account_id else moved(row, -RICHER_MINOR))


def of_account(event: Event, want: Want) -> bool:
    """Whether a cardholder's account is looked at because it must cover something."""
    read = isinstance(want, RowOf) and want.table is ACCOUNTS and CLEARING not in str(want.key)
    return read and asks_for_money(event)


def moved(row: Any, by_minor: int) -> Any:
    """An account with so much more."""
    return row._replace(available_minor=row.available_minor + by_minor)


def empty(event: Event, want: Want, answer: Any) -> Any:
    """One hold in four finds its account empty."""
    places = is_fourth(event) and cast(Received, event).message.get(CODE_FIELD) == PLACES
    return answer._replace(available_minor=0) if places and of_account(event, want) else answer


def any_pin_will_do(event: Event, want: Want, answer: Any) -> Any:
    """A PIN that is entered is right."""
    return True if isinstance(want, KeyOperation) and want.name == "pin_matches" else answer


def no_pin_will_do(event: Event, want: Want, answer: Any) -> Any:
    """One PIN in four is wrong."""
    return False if isinstance(want, KeyOperation) and want.name == "pin_matches" and is_fourth(event) else answer


# --- when things end ----------------------------------------------------------------------------------------------


def valid_for(table: Table, name: str, days: int) -> Told:
    """Whatever rules or habits say, a hold is valid for so many days."""

    def told(event: Event, want: Want, answer: Any) -> Any:
        if not (isinstance(want, RowOf) and want.table is table and answer is not None):
            return answer
        said = f"{getattr(answer, name)};validity_days={days}"
        return answer._replace(**{name: said})

    return told


def comes_late(event: Event, step: Step) -> Step:
    """The end of a hold is come to days later."""
    return with_rows(step, DUE, lambda due: later(due) if due.key.startswith("expire:") else due)


def later(due: Due) -> Due:
    """So much later."""
    return due._replace(due_us=due.due_us + LATER_US)


def freed_in_words(event: Event, step: Step) -> Step:
    """The issuer says that it has freed what a completion left, and frees nothing."""
    if not of_release(event):
        return step
    step = saying(step, lambda facts: facts | {"hold": None, "postings": None})
    return without(step, lambda table, key, row: table in (ACCOUNTS, FREEZES))


def never_told(event: Event, step: Step) -> Step:
    """The acquirer does not tell the issuer that a rest can be freed."""
    releases = isinstance(event, Due) and event.key.startswith("release:") and step.send
    return never_again(step)._replace(send=()) if releases else step


def cards_kept(event: Event, step: Step) -> Step:
    """A terminal keeps the card numbers of a batch that is closed."""
    forgets = isinstance(event, Due) and event.key.startswith("forget:")
    return without(step, lambda table, key, row: table is SALES) if forgets else step


BUGS: dict[str, Bug] = {
    "standing-hold-refused": Bug(
        "the acquirer declines one in four requests about a hold that stands", acquirer(taken_for_voided(HOLDS))
    ),
    "standing-freeze-refused": Bug(
        "the issuer declines one in four questions about a hold that stands", issuer(taken_for_voided(FREEZES))
    ),
    "cover-not-checked": Bug("the issuer approves what an account does not cover", issuer(richer, as_rich_as_before)),
    "cover-not-seen": Bug("the issuer answers 51 to one hold in four that is covered", issuer(empty)),
    "any-pin-will-do": Bug("a wrong PIN is accepted", issuer(any_pin_will_do)),
    "right-pin-refused": Bug("one right PIN in four is refused", issuer(no_pin_will_do)),
    "hold-ends-early": Bug("a hold ends after 3 days at the acquirer", acquirer(valid_for(MERCHANTS, "rules", 3))),
    "hold-ends-late": Bug("a hold ends after 39 days at the acquirer", acquirer(valid_for(MERCHANTS, "rules", 39))),
    "freeze-ends-early": Bug("a hold ends after a day at the issuer", issuer(valid_for(ISSUER_LINKS, "habits", 1))),
    "expiry-late": Bug("a hold is freed nine days after its end", issuer(decided=comes_late)),
    "release-frees-nothing": Bug("a release is answered and nothing is freed", issuer(decided=freed_in_words)),
    "release-never-told": Bug("a rest is not released at the issuer", acquirer(decided=never_told)),
    "cards-kept": Bug("a terminal keeps the card numbers of settled batches", terminal(decided=cards_kept)),
}
