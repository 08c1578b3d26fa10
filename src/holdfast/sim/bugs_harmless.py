"""Planted bugs that cannot harm, each with the reason: something else keeps the promise, and nothing is complained of.

They are planted like the others, so that a change which takes that something else away shows.
"""

from dataclasses import replace
from typing import Any, cast

from holdfast.domain.records import DEVICES, REQUESTS, SESSIONS, Device
from holdfast.domain.tables import Find
from holdfast.errors import CommitUnknown, Conflict
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.step import Command, Decision, Event, Party, Received, RowOf, Step, Want
from holdfast.runtime.engine import LEASE_S, Engine
from holdfast.sim.bugs_acquirer import REVERSALS, business
from holdfast.sim.bugs_engine import Greedy, on
from holdfast.sim.bugs_terminal import taken_for_a_no
from holdfast.sim.tampering import Bug, Cast, acquirer, asked, terminal
from holdfast.store.interface import Batch, Transaction
from holdfast.wire.chain import CHAIN_FIELD, ChainResponse, pack_response

ISSUER_SILENT = "98"


def any_batch_will_do(event: Event, want: Want, answer: Any) -> Any:
    """The batch of a request is not looked at."""
    if not (business(event) and isinstance(want, RowOf) and want.table is SESSIONS and answer is not None):
        return answer
    return answer._replace(batch=cast(Received, event).message.get(60)[2:8])


def nothing_on_top(event: Event, want: Want, answer: Any) -> Any:
    """A reversal takes out what is being built upon."""
    looks = isinstance(want, Find) and want.table is REQUESTS and want.where[0][0] == "hold_id"
    return [] if looks and asked(event, *REVERSALS) else answer


class DenyingEngine(Engine):
    """Takes a commit of unknown outcome for one that did not happen."""

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        try:
            await transaction.commit()
        except CommitUnknown:
            await transaction.rollback()
            self._head = await self._store.take_log((self.head.log,), self._holder, LEASE_S)
            raise Conflict("a commit of unknown outcome is taken for one that did not happen") from None
        self._head = batch.after


def nothing_is_open(event: Event, want: Want, answer: Any) -> Any:
    """A sign-off in the middle of a request does not see that something is open."""
    signs_off = isinstance(event, Command) and event.name == "sign-off"
    if signs_off and isinstance(want, RowOf) and want.table is DEVICES and answer is not None:
        return cast(Device, answer)._replace(in_flight="")
    return answer


def issuer_silent_is_a_decline(event: Event, step: Step) -> Step:
    """The terminal believes a request declined that was answered 98, and stores no reversal."""
    silent = isinstance(event, Received) and event.message.get(39) == ISSUER_SILENT
    return taken_for_a_no(step) if silent else step


def entry_made_up(party: Party, event: Event) -> Decision:
    """The terminal takes an answer that names no register entry as if it named the last one."""
    if not isinstance(event, Received) or CHAIN_FIELD in event.message.fields:
        return party.decide(event)
    fields = {**event.message.fields, CHAIN_FIELD: pack_response(ChainResponse("A-000001"))}
    return party.decide(event._replace(message=replace(event.message, fields=fields)))


BUGS: dict[str, Bug] = {
    "previous-key-refused": Bug(
        "the MAC key before the last sign-on does not verify",
        Cast(acquirer=lambda policy: Acquirer(policy._replace(previous_mak_us=0))),
    ),
    "batch-not-checked": Bug("the batch of a request is not looked at", acquirer(told=any_batch_will_do)),
    "reversed-from-below": Bug("a reversal takes out what is being built upon", acquirer(told=nothing_on_top)),
    "unknown-commit-denied": Bug(
        "a commit of unknown outcome is taken for one that did not happen", Cast(acquirer_engine=DenyingEngine)
    ),
    "due-claimed-twice": Bug("two workers claim the same due row", Cast(acquirer_engine=on(Greedy))),
    "sign-off-in-the-middle": Bug("a sign-off does not see that a request is open", terminal(told=nothing_is_open)),
    "98-is-a-decline": Bug("the terminal takes 98 for a decline", terminal(decided=issuer_silent_is_a_decline)),
    "answer-without-entry": Bug(
        "the terminal takes an answer that names no register entry", terminal(instead=entry_made_up)
    ),
}

WHY: dict[str, str] = {
    "previous-key-refused": "what was under way is answered A0, unknown, and reversed or told again under the new key",
    "batch-not-checked": "the batch is part of the key, and a request counts in the batch of its own key",
    "reversed-from-below": "what was built upon it finds no hold when it is answered, and is undone before it",
    "unknown-commit-denied": "it is decided again on the rows as they are; a key that is known gets its first answer",
    "due-claimed-twice": "the rows that it is about are locked, and what is sent twice is answered once",
    "sign-off-in-the-middle": "what is open is a row of its own with a due row; the device only points at it",
    "98-is-a-decline": "98 of this acquirer says that the request is being undone, by its own stored reversal",
    "answer-without-entry": "every sealed answer of this acquirer names its entry; what is not sealed is not believed",
}
"""Why each cannot harm."""
