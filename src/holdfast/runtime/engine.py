"""The engine: takes all events that wait, fetches what deciding needs, steps them in order, writes everything in one
transaction, and only after the commit lets the sends go.

"Durable before answered" is true here and nowhere else: `_send` is called after `commit` has returned. Many events in
one commit is also the speed; there is no fixed wait, a batch is whatever arrived while the one before it committed.

The same engine runs every party, on every store, and in the simulator; so it awaits nothing but the store.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from holdfast.domain.tables import DUE, Due, Entry, Write
from holdfast.errors import CommitUnknown, Conflict, Fenced, StoreError, Unstorable
from holdfast.keys.interface import Keys
from holdfast.parties.step import Command, Event, Outcome, Party, Received, Step, Turn
from holdfast.register import checkpoint as notes
from holdfast.register.tree import append, root
from holdfast.runtime.links import Links, Ready
from holdfast.runtime.reading import Asker, Deferred, PartyFailed, Reading, ReferenceCache, broken
from holdfast.store.interface import Batch, Checkpoint, LogState, Store, Transaction

BATCH_EVENTS_MAX = 256
"""Events of one commit: past this a longer batch only makes the first one wait."""

CLAIM_MAX = 64
"""Due rows claimed at once."""

CONFLICTS_MAX = 8
"""After so many conflicts of one batch its events go one by one: two engines that fight then part."""

CONFLICTS_ALONE_MAX = 100
"""An event that conflicts so often all by itself never will be decided: it is refused, as one that raises."""

LATEST_US = 2**62
"""Nothing is due later."""

LEASE_S = 10.0
"""How long a log stays ours without a word."""

REFERENCE_CACHE_MAX = 200_000
"""Rows of reference tables kept in memory by one worker."""


class Log(Protocol):
    """Where one line for the operator goes."""

    def __call__(self, event: str, **facts: object) -> None:
        """One structured line."""


class Done(NamedTuple):
    """What one batch did."""

    events: int
    entries: int


class Engine:
    """One writer of one log. `take` it first, `offer` it events, `turn` it whenever something waits."""

    def __init__(
        self,
        party: Party,
        store: Store,
        keys: Keys,
        links: Links,
        now_us: Callable[[], int],
        log: Log,
        holder: str,
        names: Sequence[str],
        leaps: Callable[[], int] = lambda: 0,
        waits_us_max: int | None = None,
    ) -> None:
        """`leaps` counts how often the clock has been advanced: what came due by that is decided on first.

        `waits_us_max`, where there is one, is the longest time that this party lets a due row wait. One that is due
        still later was put there before the clock was set back, and its time has come: it must not wait for a year.
        """
        self._party = party
        self._store = store
        self._keys = keys
        self._links = links
        self._now_us = now_us
        self._say = log
        self._holder = holder
        self._names = names
        self._head: LogState | None = None
        self._reference = ReferenceCache(REFERENCE_CACHE_MAX)
        self.signed: Checkpoint | None = None
        """The newest checkpoint of this log that this engine signed."""
        self._due_now = False
        self._waits_us_max = waits_us_max
        self._leaps = leaps
        self._leaps_seen = leaps()
        self.waiting: deque[Event] = deque()
        self._unsure: frozenset[int] = frozenset()
        """Which of those that wait may have been committed: their identities."""
        self._put_off: list[Event] = []
        """What a party wants to decide on again, with whatever comes next: an answer, or due rows."""

    async def take(self) -> LogState:
        """Take the lease of a log; nothing can be written before."""
        self._head = await self._store.take_log(self._names, self._holder, LEASE_S)
        return self._head

    @property
    def head(self) -> LogState:
        """The log that this engine writes."""
        assert self._head is not None, "take() comes first"
        return self._head

    def offer(self, event: Event) -> None:
        """One more event; it is decided on in the next turn."""
        self.waiting.append(event)

    async def turn(self, claim: bool) -> Done:
        """One batch of what waits, and, if `claim`, of the due rows whose time has come, these first.

        What the batch before made due at once is claimed in any case: a reversal that is owed to an issuer leaves
        before a request that the terminal sends on top of it.

        Raises StoreError when the database refuses (the events wait on), Fenced when the log has another writer.
        """
        claim = claim or self._due_now
        events = [self.waiting.popleft() for _ in range(min(len(self.waiting), BATCH_EVENTS_MAX))]
        if not events and not claim:
            return Done(0, 0)
        events = self._with_put_off(events)
        try:
            done = await self._decide_together(events, claim)
        except StoreError as error:
            if isinstance(error, CommitUnknown):
                self._unsure = frozenset(id(event) for event in events)
            self.waiting.extendleft(reversed(events))
            raise
        self._unsure = frozenset()
        return done

    def turn_away(self, answer: Callable[[Command, bool], Mapping[str, Any]]) -> int:
        """Give up on the commands that wait, for a database that refuses them; -> how many these were.

        Nothing of them was sent, because nothing of them is known to be durable, and nothing will be. `answer` makes
        of each what its caller is told; its second argument says that the journal may hold the command all the same.
        """
        commands = [event for event in self.waiting if isinstance(event, Command)]
        self.waiting = deque(event for event in self.waiting if not isinstance(event, Command))
        for command in commands:
            ready = self._links.prepare(Outcome(command.caller, answer(command, id(command) in self._unsure)))
            self._links.deliver([ready] if ready is not None else [])
        return len(commands)

    def _with_put_off(self, events: list[Event]) -> list[Event]:
        """What was put off waits for an answer: it goes behind the last of these, and before what came after them."""
        answers = [place for place, event in enumerate(events) if isinstance(event, Received) and event.peer]
        at = answers[-1] + 1 if answers else 0
        put_off, self._put_off = self._put_off, []
        return [*events[:at], *put_off, *events[at:]]

    async def _decide_together(self, events: list[Event], claim: bool) -> Done:
        for _ in range(CONFLICTS_MAX):
            claim = self._leapt() or claim
            try:
                return await self._batch(events, claim)
            except Conflict:
                continue
            except (PartyFailed, Unstorable):
                break
        return await self._decide_alone(events, claim)

    def _leapt(self) -> bool:
        """Whether the clock was advanced since the last batch: an answer that waits here is late by the new time, and
        must not be taken for one in time.
        """
        before, self._leaps_seen = self._leaps_seen, self._leaps()
        return self._leaps_seen != before

    async def _decide_alone(self, events: list[Event], claim: bool) -> Done:
        """One by one: a culprit then fails alone, and its refusal is recorded. What is done leaves `events`."""
        done = Done(0, 0)
        while events:
            done = _sum(done, await self._alone(events[0]))
            del events[0]
        if claim:
            for due in await self._claimable():
                done = _sum(done, await self._alone(due))
        return done

    async def _alone(self, event: Event) -> Done:
        failure: PartyFailed | None = None
        conflicts = 0
        while True:
            self._leapt()
            try:
                return await self._batch([event], False, failure)
            except Conflict as error:
                conflicts += 1
                if conflicts < CONFLICTS_ALONE_MAX:
                    continue
                failed = PartyFailed(event, error)
            except Unstorable as error:
                failed = PartyFailed(event, error)
            except PartyFailed as error:
                failed = error
            if failure is not None:
                # Who waits for an answer takes silence for what it is, unknown; a due row is claimed again.
                self._say("dropped an event that cannot even be refused", reason=str(failed))
                return Done(1, 0)
            failure, conflicts = failed, 0

    async def _claimable(self) -> list[Due]:
        transaction = await self._store.begin()
        try:
            return await self._claim(transaction)
        finally:
            await transaction.rollback()

    async def _claim(self, transaction: Transaction) -> list[Due]:
        now_us = self._now_us()
        if self._waits_us_max is None:
            return await transaction.claim(now_us, CLAIM_MAX)
        last_us = now_us + self._waits_us_max
        rows = await transaction.claim(LATEST_US, CLAIM_MAX)
        return [due for due in rows if not now_us < due.due_us <= last_us]

    # --- one batch ------------------------------------------------------------------------------------------------

    async def _batch(self, events: list[Event], claim: bool, failure: PartyFailed | None = None) -> Done:
        transaction = await self._store.begin()
        try:
            due: list[Event] = list(await self._claim(transaction)) if claim else []
            reading = Reading(self._party, self._keys, self._reference, transaction, failure)
            await reading.gather([*due, *events])
            # Read anew: the rows may have been waited for, and what is decided now comes after what had them.
            now_us = self._now_us()
            if self._leaps() != self._leaps_seen:
                raise Conflict("the clock was advanced meanwhile")
            steps, deferred = self._step_in_order(reading, now_us)
            ready = self._sendable(steps, reading.askers, failure)
            batch = self._batch_of(steps)
            if batch is not None:
                await transaction.write(batch)
                await self._commit(transaction, batch)
            else:
                await transaction.rollback()
        except BaseException:
            await transaction.rollback()
            raise
        self._due_now = batch is not None and any(_is_due(write, now_us) for write in batch.writes)
        if reading.changed_reference:
            self._reference.clear()
        self.waiting.extendleft(event for event in reversed(deferred) if not isinstance(event, Due))
        self._send(ready, steps)
        return Done(len(events) + len(due) - len(deferred), len(batch.entries) if batch else 0)

    def _step_in_order(self, reading: Reading, now_us: int) -> tuple[list[Step], list[Event]]:
        """Each event in its turn, with the next number of the log, seeing the writes of those before it."""
        turn = Turn(now_us, self.head.log, self.head.next_number, self.head.previous, self._links.hosts())
        steps: list[Step] = []
        deferred: list[Event] = []
        for asker in reading.askers:
            try:
                step = reading.step(asker, turn)
            except Deferred:
                deferred.append(asker.event)
                continue
            for entry in step.entries:
                if entry.number != turn.number:
                    raise broken(asker.event, "a step records the next entries of the log, in order")
                turn = turn.after(entry)
            steps.append(step)
        return steps, deferred

    def _sendable(self, steps: list[Step], askers: list[Asker], failure: PartyFailed | None) -> list[Ready]:
        """What is to be sent. Something that cannot be encoded fails the batch; a refusal is recorded all the same."""
        try:
            return self._prepare(steps)
        except Exception as error:
            if failure is not None:
                return []
            # Whose it was shows when the events go one by one.
            raise PartyFailed(askers[0].event, error) from error

    def _prepare(self, steps: list[Step]) -> list[Ready]:
        """Encode before the commit: what cannot be encoded must not be promised."""
        ready: list[Ready] = []
        for step in steps:
            if step.wait is not None:
                self._links.wait(*step.wait)
            prepared = [self._links.prepare(send) for send in step.send]
            ready += [sending for sending in prepared if sending is not None]
        return ready

    def _batch_of(self, steps: list[Step]) -> Batch | None:
        """All that the steps write, None when that is nothing."""
        entries: list[Entry] = [entry for step in steps for entry in step.entries]
        writes: list[Write] = [write for step in steps for write in step.write]
        if not entries and not writes:
            return None
        before = self.head
        frontier, nodes = append(before.frontier, [entry.leaf for entry in entries])
        previous = entries[-1].leaf if entries else before.previous
        after = before._replace(batch=before.batch + 1, frontier=frontier, previous=previous)
        return Batch(before, after, entries, nodes, writes)

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        """Commit; when the outcome is unknown, take the lease anew (which waits for the old commit) and read back."""
        try:
            await transaction.commit()
        except CommitUnknown:
            await transaction.rollback()
            head = await self._taken_again()
            self._head = head
            if head.batch != batch.after.batch:
                raise Conflict("the commit of unknown outcome did not happen") from None
            return
        self._head = batch.after

    async def _taken_again(self) -> LogState:
        """The log as it is after a commit of unknown outcome, which stays unknown while the database refuses."""
        try:
            return await self._store.take_log((self.head.log,), self._holder, LEASE_S)
        except Fenced:
            raise
        except StoreError as error:
            raise CommitUnknown(f"whether the batch was committed cannot be read: {error}") from error

    def _send(self, ready: list[Ready], steps: list[Step]) -> None:
        """Only here does anything leave: the batch is durable."""
        self._links.deliver(ready)
        self._put_off += [step.again for step in steps if step.again is not None]
        for step in steps:
            if step.says:
                self._say(step.says)

    # --- between batches ------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Prolong the lease, notice changed reference tables, sign a checkpoint when the log grew. Once a second."""
        await self._store.renew(self.head, LEASE_S)
        self._reference.at_version(await self._store.reference_version())
        head = self.head
        if head.frontier.size > (self.signed.size if self.signed else 0):
            body = notes.body(notes.Checkpoint(head.log, head.frontier.size, root(head.frontier), self._now_us()))
            signed = notes.assemble(body, self._keys.sign(body)).text
            checkpoint = Checkpoint(head.log, head.frontier.size, signed)
            await self._store.put_checkpoint(checkpoint)
            self.signed = checkpoint

    async def leave(self) -> None:
        """Give the lease back: the next holder need not wait."""
        await self.keep()
        await self._store.release(self.head)


def _is_due(write: Write, now_us: int) -> bool:
    """Whether this is a due row whose time has come already."""
    return write.table is DUE and write.row is not None and write.row.due_us <= now_us


def _sum(first: Done, second: Done) -> Done:
    return Done(first.events + second.events, first.entries + second.entries)
