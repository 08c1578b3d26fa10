"""Which findings a world must have, and which it may: a finding names a difference that nobody of ours could avoid.

    an advice  that a rule or the issuer objects to: it was done, it is registered as a claim, and somebody must look
    an upload  that names what the register lacks or has otherwise, or does not name what counts there
    an undo    that the issuer refuses, because something was built upon what it undoes

Each is found once. Any other finding is a complaint, and so is a difference of these kinds that nobody found.
"""

from collections import Counter

from holdfast.sim.folds import entry_of
from holdfast.sim.logbook import Complain
from holdfast.sim.own_register import ADVICE, CLAIM_MTI, OwnRegister

ADVISED, DISPUTED, UPLOADED, OBJECTED = "was advised", "refused the advice", "upload", "will not undo"
"""Words by which a finding says which of them it is."""
COUNTING_MTIS = ("0200", "0220", CLAIM_MTI)
END_NOT_BALANCED = "202"

Named = frozenset[tuple[str, str]]
"""Trace keys, and the word of the finding."""


def needed(register: OwnRegister) -> Named:
    """What must be found."""
    found: set[tuple[str, str]] = set()
    for key, request in register.requests.items():
        if request.kind == ADVICE and request.opened.get("outcome") == "claimed" and not key.endswith(CLAIM_MTI):
            found.add((key, ADVISED))
        if request.disputed:
            found.add((key, DISPUTED))
        if key.endswith(CLAIM_MTI):
            found.add((key, UPLOADED))
        if request.objected:
            found.add((key, OBJECTED))
    return frozenset(found)


def allowed(register: OwnRegister) -> Named:
    """What may be found beside that: records of uploads that differed, and what an upload left out."""
    keys: set[str] = set()
    ended: set[str] = set()
    for facts in register.uploads:
        batch_id = facts["trace_key"][:15]
        for stan, said in facts.get("results", ()):
            if said != "agrees":
                keys.update(f"{batch_id}/{stan}/{mti}" for mti in COUNTING_MTIS)
        if facts.get("management") == END_NOT_BALANCED:
            ended.add(batch_id)
    for key, request in register.requests.items():
        batch = register.batches.get(request.batch_id)
        named = batch is not None and key.split("/")[2] in batch.uploaded
        if request.side and request.batch_id in ended and not named:
            keys.add(key)
    return frozenset((key, UPLOADED) for key in keys)


def audit(register: OwnRegister, complain: Complain) -> frozenset[str]:
    """Complain of findings too many and too few; -> the trace keys that a finding names."""
    must = needed(register)
    may = must | allowed(register)
    times: Counter[tuple[str, str]] = Counter()
    for facts in register.findings:
        words = (word for word in (ADVISED, DISPUTED, UPLOADED, OBJECTED) if word in facts["reason"])
        about = facts["trace_key"], next(words, "")
        times[about] += 1
        if about not in may:
            complain(f"I2: register: finding {entry_of(facts)} about {facts['trace_key']}: {facts['reason']}")
        if not (facts.get("owner") and facts.get("due")):
            complain(f"I2: register: finding {entry_of(facts)} names no owner or no time")
    for key, word in sorted(must):
        if not times[key, word]:
            complain(f"I2: register: {key} differs ({word}), and no finding names it")
    for (key, word), count in sorted(times.items()):
        if count > 1 and word != UPLOADED:
            complain(f"I2: register: {count} findings name {key} ({word})")
    return frozenset(facts["trace_key"] for facts in register.findings)
