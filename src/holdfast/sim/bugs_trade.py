"""Planted bugs that voids, refunds, advices, batches and uploads invite, at the acquirer."""

from typing import Any, cast

import orjson

from holdfast.domain.commands import FINDING
from holdfast.domain.records import BATCHES, FREEZES, HOLDS, REQUESTS, Batch, Hold
from holdfast.domain.tables import DUE, Due, remove
from holdfast.parties.exchange import parse
from holdfast.parties.step import Event, Received, RowOf, Step, Want
from holdfast.sim.tampering import (
    Bug,
    Facts,
    acquirer,
    asked,
    both,
    facts_of,
    never_again,
    saying,
    with_rows,
    without,
)

TOLD_MAX = 3
BALANCED = "1"
ADVICE_MTIS = ("0220", "0221")
CLAIMED, SOLD = "/0330", "/0200"


def completed_for_ever(event: Event, step: Step) -> Step:
    """A completion is voided, and the acquirer's hold stays as it was."""
    if any(facts.get("hold", {}).get("act", [""])[0] == "reopen" for facts in facts_of(step)):
        return without(step, lambda table, key, row: table is HOLDS)
    return step


def never_refunded(event: Event, want: Want, answer: Any) -> Any:
    """What was given back already is forgotten."""
    if isinstance(want, RowOf) and want.table in (HOLDS, FREEZES) and answer is not None:
        return answer._replace(refunded_minor=0)
    return answer


def told_thrice(event: Event, step: Step) -> Step:
    """An advice is told three times, and then dropped."""
    if isinstance(event, Due) and event.key.startswith("tell:") and event.attempts >= TOLD_MAX - 1:
        return never_again(step)
    return step


def dropped_when_refused(event: Event, step: Step) -> Step:
    """An advice that the issuer cannot take just now is not told again."""
    if not (isinstance(event, Received) and event.message.mti == "0230" and not step.write and step.says):
        return step
    exchange = parse(event.message.get(48))
    return step if exchange is None else step._replace(write=(remove(DUE, f"tell:{exchange.trace_key}"),))


def nobody_is_told(event: Event, step: Step) -> Step:
    """An advice that a rule speaks against is registered as a claim, and no finding names it."""
    if not asked(event, *ADVICE_MTIS):
        return step
    return step._replace(entries=tuple(entry for entry in step.entries if entry.kind != FINDING))


def counted_all_the_same(event: Event, step: Step) -> Step:
    """What is reversed goes on counting in its batch."""
    if not any(facts.get("batch", {}).get("count") == -1 for facts in facts_of(step)):
        return step
    return without(saying(step, _without_batch), lambda table, key, row: table is BATCHES)


def closed_for_ever(event: Event, step: Step) -> Step:
    """What becomes known after the settlement does not count any more."""
    counts = any("count" in facts.get("batch", {}) for facts in facts_of(step))
    settled = any(w.table is BATCHES and cast(Batch, w.row).settled for w in step.write)
    if not (counts and settled):
        return step
    return without(saying(step, _without_batch), lambda table, key, row: table is BATCHES)


def _without_batch(facts: Facts) -> Facts:
    return facts | {"batch": None}


def always_balanced(event: Event, step: Step) -> Step:
    """A settlement says "balanced", whatever the terminal believes."""

    def flattered(facts: Facts) -> Facts:
        digits = (facts.get("batch") or {}).get("settled", "")
        if not digits:
            return facts
        return facts | {"batch": facts["batch"] | {"settled": digits[:30] + BALANCED + digits[31:61] + BALANCED}}

    return saying(step, flattered)


def upload_is_believed(event: Event, step: Step) -> Step:
    """What the register lacks and an upload claims becomes a sale."""
    if not asked(event, "0320"):
        return step

    def as_sale(facts: Facts) -> Facts:
        if not facts.get("trace_key", "").endswith(CLAIMED) or facts["kind"] == FINDING:
            return facts
        sold = facts["trace_key"].removesuffix(CLAIMED) + SOLD
        return facts | {"kind": "sale", "outcome": "approved", "trace_key": sold}

    def as_sold(row: Any) -> Any:
        if not row.trace_key.endswith(CLAIMED):
            return row
        sold = row.trace_key.removesuffix(CLAIMED) + SOLD
        return row._replace(trace_key=sold, kind="sale", echoes="sale", outcome="approved")

    return with_rows(saying(step, as_sale), REQUESTS, as_sold)


def without_increments(event: Event, want: Want, answer: Any) -> Any:
    """A completion's ceiling is made from what was asked for first."""
    completes = asked(event, "0200", *ADVICE_MTIS)
    if not (completes and isinstance(want, RowOf) and want.table is HOLDS and answer is not None):
        return answer
    acts = orjson.loads(cast(Hold, answer).acts)
    return answer._replace(requested_minor=acts[0][2]) if acts else answer


BUGS: dict[str, Bug] = {
    "void-reopens-nothing": Bug("a voided completion does not re-open its hold", acquirer(decided=completed_for_ever)),
    "refund-over-rest": Bug("refunds are not taken off what is left to refund", both(never_refunded)),
    "advice-dropped": Bug("the acquirer tells an advice three times, then drops it", acquirer(decided=told_thrice)),
    "advice-refused-is-dropped": Bug(
        "an advice that the issuer cannot take just now is never told again", acquirer(decided=dropped_when_refused)
    ),
    "claim-without-finding": Bug(
        "an advice that a rule speaks against is claimed, and nobody is told", acquirer(decided=nobody_is_told)
    ),
    "batch-keeps-reversed": Bug(
        "a reversed completion goes on counting in its batch", acquirer(decided=counted_all_the_same)
    ),
    "batch-closed-early": Bug("what comes after a settlement does not count", acquirer(decided=closed_for_ever)),
    "always-balanced": Bug("a settlement is said to balance whatever was told", acquirer(decided=always_balanced)),
    "upload-moves-money": Bug("what only an upload claims becomes a sale", acquirer(decided=upload_is_believed)),
    "increment-not-in-ceiling": Bug("a ceiling leaves out the increments", acquirer(told=without_increments)),
}
