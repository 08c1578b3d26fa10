"""Which findings a world must have, and which it may: a finding names a difference that nobody of ours could avoid.

    an advice  that a rule or the issuer objects to: it was done, it is registered, and somebody must look
    an upload  of a terminal that is not ours, which names what is not so, or not what counts in the register
    an undo    that the issuer refuses, because something was built upon what it undoes
    a device   that was replaced: what it had not sent may be lost (`of_devices`)
    a journal  that was damaged: the same (`of_mendings`)

What must be found is told by the labels, and by folds of our own: what an advice did not do to its hold, what the
issuer's book says of it, and what counted in a batch when its upload ended. What may be found bears a label. Each is
found once. Any other finding is a complaint, and so is a difference of these kinds that nobody found.
"""

from collections import Counter

from holdfast.sim.folds import BEFORE, NOBODY_KNOWS, entry_of, order_of
from holdfast.sim.labels import (
    ADVISED,
    BUILT_UPON,
    DEVICE_LOST,
    DEVICE_REPLACED,
    ISSUER_AWAY,
    JOURNAL_TORN,
    LIED,
    SAID,
    SETTLED_EARLY,
    UPLOADED,
    Labels,
    advice_of,
    record_of,
)
from holdfast.sim.logbook import Complain
from holdfast.sim.own_book import OwnBook
from holdfast.sim.own_register import ADVICE, CLAIM_MTI, OwnRegister, OwnRequest

SPOKEN_AGAINST, DISPUTED, DIFFERS, OBJECTED = "was advised", "refused the advice", "upload", "will not undo"
UNANSWERED, ANOTHER, DAMAGED = "unanswered", "another journal", "journal was damaged"
"""Words by which a finding says which of them it is."""
WORDS = (SPOKEN_AGAINST, DISPUTED, DIFFERS, OBJECTED, UNANSWERED, ANOTHER)
COUNTING_MTIS = ("0200", "0220", CLAIM_MTI)
END_NOT_BALANCED = "202"

About = tuple[str, str]
"""A trace key, or the terminal where a device was replaced, and the word of the finding."""


class Judge:
    """What must and may be found in one world. Without labels (a real one) the folds alone say what may be."""

    def __init__(self, register: OwnRegister, book: OwnBook, labels: Labels | None) -> None:
        self._register = register
        self._book = book
        self._labels = labels
        self._ended = {
            facts["trace_key"][:15]: facts for facts in register.uploads if facts.get("management") == END_NOT_BALANCED
        }
        """Batches whose upload ended, and the entry that says so."""
        self._acted = {done.act[1] for hold in register.holds.values() for done in hold.done}

    def must(self) -> set[About]:
        """Differences that folds and labels tell."""
        found: set[About] = set()
        for key, request in self._register.requests.items():
            found.update((key, word) for word in self._objections(request))
            if key.endswith(CLAIM_MTI):
                found.add((key, DIFFERS))
        found.update((key, DIFFERS) for key in self._left_out(BEFORE) if self._is_labelled(key[:15], UPLOADED))
        return found

    def may(self) -> set[About]:
        """What may be found beside that."""
        left_out = {(key, DIFFERS) for key in self._left_out(BEFORE, NOBODY_KNOWS)}
        if self._labels is None:
            return left_out
        lies = self._labels.about(LIED)
        others = self._labels.about(DEVICE_REPLACED) | self._labels.about(DEVICE_LOST)
        left_out |= {(terminal_id, ANOTHER) for terminal_id in others}
        return left_out | {(f"{record}/{mti}", DIFFERS) for record in lies for mti in COUNTING_MTIS}

    def times_max(self, about: About) -> int | None:
        """How often it may be found, None for any number of times: each record of an upload is compared by itself."""
        key, word = about
        if word == ANOTHER and self._labels is not None:
            return self._labels.times(key, DEVICE_REPLACED) + self._labels.times(key, DEVICE_LOST)
        return None if word == DIFFERS else 1

    def permits(self, about: About) -> bool:
        """Whether somebody did something outside our control that this finding may come of."""
        key, word = about
        request = self._register.requests.get(key)
        if self._labels is None or self._is_labelled(key, DEVICE_REPLACED, DEVICE_LOST):
            return True
        if word == OBJECTED:
            return self._is_labelled(key, BUILT_UPON)
        if word == DIFFERS:
            theirs = self._is_labelled(record_of(key), LIED) or self._is_labelled(key[:15], UPLOADED)
            return theirs or self._is_labelled(key, SETTLED_EARLY)
        return request is not None and self._was_advised(request)

    def is_of_an_issuer(self, about: About) -> bool:
        """Whether an issuer that is not ours made this difference, or did not answer for very long."""
        key, word = about
        request = self._register.requests.get(key)
        if self._labels is None:
            return False
        if word == UNANSWERED:
            return bool(self._labels.about(ISSUER_AWAY))
        return self._labels.of_the_issuer(key, request.hold_id if request else "")

    def lies(self) -> list[str]:
        """Records of which one finding at least must speak: the upload that they are in has ended."""
        lies = self._labels.about(LIED) if self._labels is not None else frozenset()
        return sorted(record for record in lies if record[:15] in self._ended)

    def _objections(self, request: OwnRequest) -> list[str]:
        """An advice that did not change its hold, or that the issuer declined; an undo that the issuer refused."""
        if request.kind == ADVICE and request.of_money and request.exchange_id not in self._acted:
            return [SPOKEN_AGAINST]
        named = request.exchange_id if request.kind == ADVICE else f"{request.exchange_id}#undo"
        answer = self._book.answers.get(named)
        if answer is None or answer.outcome != "declined":
            return []
        return [DISPUTED] if request.kind == ADVICE else [OBJECTED]

    def _left_out(self, *orders: int) -> list[str]:
        """What had been registered, and counts, when an upload of its batch ended that did not name it."""
        return [
            key
            for key, request in self._register.requests.items()
            if request.counts
            and request.batch_id in self._ended
            and order_of(request.told, self._ended[request.batch_id]) in orders
            and not self._was_named(key)
        ]

    def _was_named(self, key: str) -> bool:
        if self._is_labelled(key[:15], UPLOADED):
            return self._is_labelled(record_of(key), SAID)
        batch = self._register.batches.get(key[:15])
        return batch is not None and key.split("/")[2] in batch.uploaded

    def _was_advised(self, request: OwnRequest) -> bool:
        about = advice_of(request.trace_key[:8], request.amount_minor)
        return request.kind == ADVICE and self._is_labelled(about, ADVISED)

    def _is_labelled(self, about: str, *causes: str) -> bool:
        return self._labels is not None and self._labels.has(about, *causes)


def audit(register: OwnRegister, book: OwnBook, labels: Labels | None, complain: Complain) -> frozenset[str]:
    """Complain of findings too many and too few; -> the trace keys about which the two hosts may differ."""
    judge = Judge(register, book, labels)
    must = judge.must()
    may = must | judge.may()
    times: Counter[About] = Counter()
    for facts in register.findings:
        if DAMAGED in facts["reason"]:
            continue
        word = next((word for word in WORDS if word in facts["reason"]), "")
        about = facts.get("trace_key") or facts.get("terminal_id", ""), word
        times[about] += 1
        if judge.is_of_an_issuer(about):
            continue
        if about not in may or not judge.permits(about):
            complain(f"I2: register: finding {entry_of(facts)} about {about[0]}: {facts['reason']}")
        if not (facts.get("owner") and facts.get("due")):
            complain(f"I2: register: finding {entry_of(facts)} names no owner or no time")
    for key, word in sorted(must):
        if not times[key, word] and not judge.is_of_an_issuer((key, word)):
            complain(f"I2: register: {key} differs ({word}), and no finding names it")
    for record in judge.lies():
        if not any(times[f"{record}/{mti}", DIFFERS] for mti in COUNTING_MTIS):
            complain(f"I2: {record} was uploaded as it is not, and no finding names it")
    for (key, word), count in sorted(times.items()):
        most = judge.times_max((key, word))
        if most is not None and count > most:
            complain(f"I2: register: {count} findings name {key} ({word})")
    return frozenset(key for key, word in times if word in (DISPUTED, OBJECTED))


def of_devices(register: OwnRegister, terminal_id: str, signed_on: int, complain: Complain) -> None:
    """Of so many devices of one number that signed on and were heard, each but the first is named by a finding."""
    found = sum(facts.get("terminal_id") == terminal_id and ANOTHER in facts["reason"] for facts in register.findings)
    if found < signed_on - 1:
        complain(f"I2: {signed_on} devices were terminal {terminal_id}, and {found} findings name another one")


def of_mendings(
    register: OwnRegister, terminal_id: str, rebuilt: int, labels: Labels | None, complain: Complain
) -> None:
    """A journal that was rebuilt so often has a finding each time; and none more than it was torn."""
    found = [
        facts
        for facts in register.findings
        if facts.get("trace_key", "").startswith(terminal_id) and DAMAGED in facts["reason"]
    ]
    if len(found) < rebuilt:
        complain(f"I2: the journal of {terminal_id} was rebuilt {rebuilt} times, and {len(found)} findings name that")
    if labels is not None and len(found) > labels.times(terminal_id, JOURNAL_TORN):
        complain(f"I2: {len(found)} findings say that the journal of {terminal_id} was damaged")
    for facts in found:
        if not (facts.get("owner") and facts.get("due")):
            complain(f"I2: register: finding {entry_of(facts)} names no owner or no time")
