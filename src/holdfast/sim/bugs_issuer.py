"""Planted bugs of the issuer: what it answers, what it frees, and where the money lies."""

from typing import Any, cast

import orjson

from holdfast.clock import DAY_US, HOUR_US
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, Answer, Freeze
from holdfast.domain.tables import DUE, Due, put
from holdfast.parties.exchange import EXCHANGE_FIELD, REPLACEMENT_FIELD, parse
from holdfast.parties.step import Event, Received, RowOf, Step, Want
from holdfast.sim.tampering import (
    Bug,
    Facts,
    asked,
    facts_of,
    issuer,
    over_whatever_is_there,
    saying,
    with_rows,
    without,
)

UNDOS = ("0420", "0421")
CLEARING = "/clearing"


def of_release(event: Event) -> bool:
    """Whether the acquirer tells what a completion left of its hold."""
    return isinstance(event, Received) and REPLACEMENT_FIELD in event.message.fields


def act_of(facts: Facts) -> str:
    """The act that an entry puts in force."""
    return str(facts.get("hold", {}).get("act", [""])[0])


# --- what was answered --------------------------------------------------------------------------------------------


def no_memory_of_answers(event: Event, want: Want, answer: Any) -> Any:
    """The issuer takes every question for a new one."""
    question = isinstance(event, Received) and event.message.mti not in UNDOS
    return None if question and isinstance(want, RowOf) and want.table is ANSWERS else answer


def overtaken_question_unknown(event: Event, want: Want, answer: Any) -> Any:
    """The issuer takes a reversal that came before its question for one of a declined question, and bars nothing."""
    if not (asked(event, *UNDOS) and isinstance(want, RowOf) and want.table is ANSWERS and answer is None):
        return answer
    exchange = parse(cast(Received, event).message.get(EXCHANGE_FIELD))
    if exchange is None or want.key != exchange.exchange_id:
        return answer
    declined = ("declined", exchange.issuer_id, None, None, 0, "12", None, "I-000001", 0)
    return Answer(exchange.exchange_id, b"", "pre-authorization", *declined)


def undo_only_acknowledged(event: Event, want: Want, answer: Any) -> Any:
    """A reversal is acknowledged, and what it undoes stays in force."""
    undone = asked(event, *UNDOS) and not of_release(event) and isinstance(want, RowOf) and want.table is FREEZES
    return None if undone else answer


# --- what is freed ------------------------------------------------------------------------------------------------


def standing_again(answer: Any, ended: str) -> Any:
    """A hold as it was before it ended in that way."""
    acts = orjson.loads(cast(Freeze, answer).acts)
    if not acts or acts[-1][0] != ended:
        return answer
    return answer._replace(state="held", acts=orjson.dumps(acts[:-1]).decode())


def freed_again(event: Event, want: Want, answer: Any) -> Any:
    """The issuer frees the rest of a hold each time it is told to."""
    if not (of_release(event) and isinstance(want, RowOf) and answer is not None):
        return answer
    if want.table is ANSWERS:
        return None
    return standing_again(answer, "release") if want.table is FREEZES else answer


def expired_again(event: Event, want: Want, answer: Any) -> Any:
    """The end of a hold comes twice, and frees it twice."""
    again = isinstance(event, Due) and event.attempts == 1 and isinstance(want, RowOf) and want.table is FREEZES
    return standing_again(answer, "expire") if again and answer is not None else answer


def comes_twice(event: Event, step: Step) -> Step:
    """The end of a hold is come back to an hour later."""
    if not (isinstance(event, Due) and event.attempts == 0 and step.entries):
        return step
    again = put(DUE, event._replace(due_us=event.due_us + HOUR_US, attempts=1))
    return step._replace(write=(*step.write, again))


def ends_early(event: Event, want: Want, answer: Any) -> Any:
    """A hold has ended a day before its end."""
    if isinstance(event, Due) and isinstance(want, RowOf) and want.table is FREEZES and answer is not None:
        return answer._replace(expires_us=answer.expires_us - DAY_US)
    return answer


def comes_early(event: Event, step: Step) -> Step:
    """The end of a hold is waited for a day too short."""
    return with_rows(step, DUE, lambda due: due._replace(due_us=due.due_us - DAY_US))


# --- where the money lies -----------------------------------------------------------------------------------------


def asked_for_is_freed(event: Event, step: Step) -> Step:
    """A void frees what was asked for, and not what was frozen for it."""
    if not any(act_of(facts) == "void" for facts in facts_of(step)):
        return step
    (facts,) = facts_of(step)
    amount_minor, freed = facts["amount"], [line for line in facts["postings"] if line[1] == "held"]
    if not freed:
        return step
    account_id, frozen_minor = freed[0][0], -freed[0][2]
    lines = [[account_id, "available", amount_minor], [account_id, "held", -amount_minor]]
    left_minor = frozen_minor - amount_minor

    def with_rest(row: Any) -> Any:
        if row.account_id != account_id:
            return row
        return row._replace(available_minor=row.available_minor - left_minor, held_minor=row.held_minor + left_minor)

    return with_rows(saying(step, lambda facts: facts | {"postings": lines}), ACCOUNTS, with_rest)


def too_much_frozen(event: Event, step: Step) -> Step:
    """The void of a completion freezes the completed amount once more on top of what the completion had freed."""
    if not any(act_of(facts) == "reopen" for facts in facts_of(step)):
        return step
    (facts,) = facts_of(step)
    amount_minor, (*act, terms) = facts["amount"], facts["hold"]["act"]
    account_id = facts["account_id"]
    act = [*act, terms | {"frozen_minor": terms.get("frozen_minor", 0) + amount_minor}]
    more = [[account_id, "available", -amount_minor], [account_id, "held", amount_minor]]
    said = {"hold": facts["hold"] | {"act": act}, "postings": [*facts["postings"], *more]}

    def moved(row: Any) -> Any:
        if row.account_id != account_id:
            return row
        return row._replace(
            available_minor=row.available_minor - amount_minor, held_minor=row.held_minor + amount_minor
        )

    def frozen(row: Any) -> Any:
        acts = [*orjson.loads(row.acts)[:-1], act]
        return row._replace(held_minor=row.held_minor + amount_minor, acts=orjson.dumps(acts).decode())

    return with_rows(with_rows(saying(step, lambda facts: facts | said), ACCOUNTS, moved), FREEZES, frozen)


def one_side_posted(event: Event, step: Step) -> Step:
    """What is taken from a card never comes to lie in the clearing account."""
    if not asked(event, "0200", "0220", "0221"):
        return step

    def one_side(facts: Facts) -> Facts:
        lines = [line for line in facts.get("postings", ()) if not line[0].endswith(CLEARING)]
        return facts | {"postings": lines if "postings" in facts else None}

    step = saying(step, one_side)
    return without(step, lambda table, key, row: table is ACCOUNTS and key.endswith(CLEARING))


def balance_not_moved(event: Event, step: Step) -> Step:
    """A reversal is booked, and the balance stays as it was."""
    return without(step, lambda table, key, row: table is ACCOUNTS) if asked(event, *UNDOS) else step


BUGS: dict[str, Bug] = {
    "issuer-not-idempotent": Bug(
        "the issuer judges a copy of a question again", issuer(no_memory_of_answers, over_whatever_is_there)
    ),
    "issuer-forgets-overtaken": Bug(
        "the issuer forgets a reversal that overtook its question", issuer(overtaken_question_unknown)
    ),
    "undo-only-acknowledged": Bug("a reversal is acknowledged and nothing is freed", issuer(undo_only_acknowledged)),
    "release-frees-again": Bug(
        "the rest of a hold is freed each time it is told", issuer(freed_again, over_whatever_is_there)
    ),
    "expiry-frees-twice": Bug("the end of a hold comes twice and frees it twice", issuer(expired_again, comes_twice)),
    "expiry-early": Bug("a hold is freed a day before its end", issuer(ends_early, comes_early)),
    "void-frees-what-was-asked": Bug(
        "a void frees what was asked for, not what was frozen", issuer(decided=asked_for_is_freed)
    ),
    "void-freezes-twice": Bug(
        "a completion void freezes more than the completion freed", issuer(decided=too_much_frozen)
    ),
    "posting-one-sided": Bug("a posting does not sum to zero", issuer(decided=one_side_posted)),
    "balance-not-moved": Bug("a reversal is booked and the balance not moved", issuer(decided=balance_not_moved)),
}
