"""More bugs to test the auditor with: those that voids, refunds, advices, batches and rests invite (see `plant`)."""

from collections.abc import Callable
from typing import Any, cast

import orjson

from holdfast.domain.records import ANSWERS, BATCHES, FREEZES, HOLDS, Batch, Freeze, Hold
from holdfast.domain.tables import DUE, Due
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.exchange import REPLACEMENT_FIELD
from holdfast.parties.issuer import Issuer
from holdfast.parties.step import Event, Received, RowOf, Step, Want
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from holdfast.sim.tampering import Bug, Cast, Tampered, acquirer, issuer, over_whatever_is_there, terminal, without

TOLD_MAX = 3
BALANCED, NOT_BALANCED = "1", "2"

Facts = dict[str, Any]


def saying(step: Step, changed: Callable[[Facts], Facts]) -> Step:
    """The step with other facts in its entries."""
    entries = []
    for entry in step.entries:
        body = encode(changed(decode_strict(entry.body)))
        entries.append(entry._replace(body=body, leaf=leaf_hash(body)))
    return step._replace(entries=tuple(entries))


def facts_of(step: Step) -> list[Facts]:
    """What the entries of a step say."""
    return [orjson.loads(entry.body) for entry in step.entries]


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
        return step._replace(write=tuple(w._replace(row=None) if w.table is DUE else w for w in step.write))
    return step


def counted_all_the_same(event: Event, step: Step) -> Step:
    """What is reversed goes on counting in its batch."""
    if not any(facts.get("batch", {}).get("count") == -1 for facts in facts_of(step)):
        return step
    step = saying(step, _without_batch)
    return without(step, lambda table, key, row: table is BATCHES)


def closed_for_ever(event: Event, step: Step) -> Step:
    """What becomes known after the settlement does not count any more."""
    counts = any("count" in facts.get("batch", {}) for facts in facts_of(step))
    settled = any(w.table is BATCHES and cast(Batch, w.row).settled for w in step.write)
    if not (counts and settled):
        return step
    return without(saying(step, _without_batch), lambda table, key, row: table is BATCHES)


def _without_batch(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if name != "batch"}


def always_balanced(event: Event, step: Step) -> Step:
    """A settlement says "balanced", whatever the terminal believes."""

    def flattered(facts: Facts) -> Facts:
        digits = facts.get("batch", {}).get("settled", "")
        if not digits:
            return facts
        return facts | {"batch": facts["batch"] | {"settled": digits[:30] + BALANCED + digits[31:61] + BALANCED}}

    return saying(step, flattered)


def freed_again(event: Event, want: Want, answer: Any) -> Any:
    """The issuer frees the rest of a hold each time it is told to."""
    told = isinstance(event, Received) and REPLACEMENT_FIELD in event.message.fields
    if not (told and isinstance(want, RowOf) and answer is not None):
        return answer
    if want.table is ANSWERS:
        return None
    if want.table is not FREEZES:
        return answer
    acts = orjson.loads(cast(Freeze, answer).acts)
    if not acts or acts[-1][0] != "release":
        return answer
    return answer._replace(state="held", acts=orjson.dumps(acts[:-1]).decode())


def without_increments(event: Event, want: Want, answer: Any) -> Any:
    """A completion's ceiling is made from what was asked for first."""
    completes = isinstance(event, Received) and event.message.mti in ("0200", "0220")
    if not (completes and isinstance(want, RowOf) and want.table is HOLDS and answer is not None):
        return answer
    acts = orjson.loads(cast(Hold, answer).acts)
    return answer._replace(requested_minor=acts[0][2]) if acts else answer


def _both(told: Callable[[Event, Want, Any], Any]) -> Cast:
    return Cast(
        acquirer=lambda policy: Tampered(Acquirer(policy), told),
        issuer=lambda policy: Tampered(Issuer(policy), told),
    )


BUGS: dict[str, Bug] = {
    "void-reopens-nothing": Bug("a voided completion does not re-open its hold", acquirer(decided=completed_for_ever)),
    "refund-over-rest": Bug("refunds are not taken off what is left to refund", _both(never_refunded)),
    "advice-dropped": Bug("the acquirer tells an advice three times, then drops it", acquirer(decided=told_thrice)),
    "advice-forgotten": Bug("the terminal tells an advice three times, then drops it", terminal(decided=told_thrice)),
    "batch-keeps-reversed": Bug(
        "a reversed completion goes on counting in its batch", acquirer(decided=counted_all_the_same)
    ),
    "batch-closed-early": Bug("what comes after a settlement does not count", acquirer(decided=closed_for_ever)),
    "always-balanced": Bug("a settlement is said to balance whatever was told", acquirer(decided=always_balanced)),
    "release-frees-again": Bug(
        "the rest of a hold is freed each time it is told", issuer(freed_again, over_whatever_is_there)
    ),
    "increment-not-in-ceiling": Bug("a ceiling leaves out the increments", acquirer(told=without_increments)),
}
