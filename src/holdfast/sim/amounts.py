"""What amounts come to, judged by sums of our own: ceilings, totals of batches, settlements.

a ceiling     no more is completed than the rule allows of what was asked for, increments included; and nothing is
              declined as over the ceiling that is not
a batch       counts what was approved or advised in it, and nothing else
a settlement  answers with what the register counted then, and says "balanced" when both believe the same
"""

from collections.abc import Mapping

from holdfast.domain.rules import Rules
from holdfast.sim.folds import OwnHold, Walk, entry_of
from holdfast.sim.logbook import Complain, Given
from holdfast.sim.own_register import ADVICE, SIDE_NAMES, OwnBatch, OwnRegister, OwnRequest, Sums

BALANCED, NOT_BALANCED = "1", "2"
OVER = "64"
COMPLETIONS = frozenset({"complete", "complete-part"})


def audit(register: OwnRegister, given: Given, complain: Complain) -> None:
    """Judge all amounts of a register."""
    by_entry = {request.exchange_id: request for request in register.requests.values()}
    for hold in register.holds.values():
        _ceiling(hold, by_entry, given, complain)
    for request in register.requests.values():
        _refused(request, register.holds, given, complain)
    counted = register.counted()
    for batch_id in sorted({*counted, *register.batches}):
        wanted = counted.get(batch_id, dict.fromkeys(SIDE_NAMES, (0, 0)))
        batch = register.batches.get(batch_id)
        if batch is None or batch.sums != wanted:
            has = batch.sums if batch else None
            complain(f"I7: batch {batch_id} counts {has}, its requests come to {wanted}")
        if batch is not None:
            _settlements(batch, complain)


def rules_for(request: OwnRequest, given: Given) -> Rules:
    """The rules that hold for a request."""
    return given.rules_for(request.opened.get("scheme", ""), request.opened["merchant_id"])


def _ceiling(hold: OwnHold, by_entry: Mapping[str, OwnRequest], given: Given, complain: Complain) -> None:
    for done in hold.done:
        name, by, amount_minor = done.act[:3]
        request = by_entry.get(by)
        if name in COMPLETIONS and request is not None:
            total_minor, percent = done.completed_minor + amount_minor, rules_for(request, given).ceiling_percent
            if total_minor > done.requested_minor * percent // 100:
                complain(f"I3: {request.trace_key} completes {total_minor} of {done.requested_minor}: over {percent} %")


def _refused(request: OwnRequest, holds: Mapping[str, OwnHold], given: Given, complain: Complain) -> None:
    facts = request.opened
    over = facts.get("response_code") == OVER or request.kind == ADVICE
    hold = holds.get(facts.get("hold_id", ""))
    if not over or hold is None or "over the ceiling" not in facts.get("reason", ""):
        return
    walks, percent = hold.before(facts), rules_for(request, given).ceiling_percent
    if not any(over_ceiling(walk, request.amount_minor, percent) for walk in walks):
        stood = walks[0].requested_minor
        complain(f"I3: {entry_of(facts)} declines {request.trace_key} as over {percent} % of {stood}")


def over_ceiling(walk: Walk, amount_minor: int, percent: int) -> bool:
    """Whether a completion of so much is more than may be completed of the hold as it stood then."""
    return walk.completed_minor + amount_minor > walk.requested_minor * percent // 100


def _settlements(batch: OwnBatch, complain: Complain) -> None:
    for settled in batch.settlements:
        where = f"settlement {entry_of(settled.facts)} of batch {batch.batch_id}"
        if settled.answered != settled.counted:
            complain(f"I2: {where} answered {settled.answered}, counted was {settled.counted}")
        for flag, foreign in zip(settled.flags, (False, True), strict=True):
            same = half(settled.told, foreign) == half(settled.counted, foreign)
            if flag != (BALANCED if same else NOT_BALANCED):
                complain(f"I2: {where} said {flag}, told was {settled.told}, counted {settled.counted}")


def half(sums: Sums, foreign: bool) -> Sums:
    """The domestic or the foreign part."""
    return {side: each for side, each in sums.items() if side.startswith("foreign") is foreign}
