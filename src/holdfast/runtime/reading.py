"""Reading for a batch: the wants of all events, round by round, and the changed rows that later events must see.

Each event's generator is asked side by side with the others, so that a round is one query per table for the whole
batch. In its turn an event whose rows were changed by one before it is asked again on the changed rows; where that
leads it to rows that nobody fetched, it is deferred to the next batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

from holdfast.domain.tables import Find, Key, Row, Table, Write
from holdfast.errors import HoldfastError, KeyRefused
from holdfast.keys.interface import Keys
from holdfast.parties.step import TURN, Decision, Event, KeyOperation, Party, RowOf, Step, Turn, Want
from holdfast.store.interface import Transaction

Where = tuple[tuple[str, str | int | bytes], ...]

ROUNDS_MAX = 16
"""A party that still wants something after so many rounds is broken."""


class Deferred(Exception):
    """The event wants rows that this batch did not fetch."""


class PartyFailed(HoldfastError):
    """Deciding on an event raised: a bug of ours, to be recorded as a refusal."""

    def __init__(self, event: Event, error: Exception) -> None:
        super().__init__(f"deciding on {type(event).__name__} raised {type(error).__name__}")
        self.event = event
        self.error = error


def broken(event: Event, says: str) -> PartyFailed:
    """A party does not keep to what `step` says of a decision."""
    return PartyFailed(event, AssertionError(says))


class ReferenceCache:
    """Rows of reference tables that this worker has read, absent ones too, until the reference version moves."""

    def __init__(self, rows_max: int) -> None:
        self._rows: dict[tuple[str, Key], Row | None] = {}
        self._rows_max = rows_max
        self._version = -1

    def __contains__(self, place: tuple[str, Key]) -> bool:
        return place in self._rows

    def get(self, place: tuple[str, Key]) -> Row | None:
        """The row as it was read."""
        return self._rows[place]

    def keep(self, place: tuple[str, Key], row: Row | None) -> None:
        """Remember a row, or that there is none."""
        if len(self._rows) >= self._rows_max:
            self._rows.clear()
        self._rows[place] = row

    def at_version(self, version: int) -> None:
        """Forget everything when the version has moved."""
        if version != self._version:
            self._rows.clear()
            self._version = version

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()


class Asker:
    """One event and its generator, as far as it got."""

    __slots__ = ("answers", "decision", "event", "finds", "places", "wants")

    def __init__(self, event: Event, decision: Decision) -> None:
        self.event = event
        self.decision = decision
        self.wants: tuple[Want, ...] = ()
        self.places: list[tuple[str, Key]] = []
        """Rows it has read and may be overtaken on (reference tables apart)."""
        self.finds: list[Find] = []
        self.answers: dict[KeyOperation, Any] = {}
        """Key operations already done: asked again, the same random answer comes again."""

    @property
    def waits_for_turn(self) -> bool:
        """Whether it has read all it wants."""
        return len(self.wants) == 1 and self.wants[0] is TURN


class Reading:
    """What one batch has read, and what its steps have changed so far."""

    def __init__(
        self,
        party: Party,
        keys: Keys,
        reference: ReferenceCache,
        transaction: Transaction,
        failure: PartyFailed | None,
    ) -> None:
        self._party = party
        self._keys = keys
        self._reference = reference
        self._transaction = transaction
        self._failure = failure
        self._rows: dict[tuple[str, Key], Row | None] = {}
        self._unlocked: set[tuple[str, Key]] = set()
        """Rows of shared tables as they were read without a lock; who wants to change one reads it again."""
        self._found: dict[Find, list[Row]] = {}
        self._found_in: set[str] = set()
        """The tables that somebody has looked something up in."""
        self._touched: set[tuple[str, Key]] = set()
        self._touched_where: dict[tuple[str, Where], dict[Key, Row | None]] = {}
        """Changed rows by each look-up that would have found them, before or after; None when it no longer does."""
        self.askers: list[Asker] = []
        self.changed_reference = False

    # --- gathering ------------------------------------------------------------------------------------------------

    async def gather(self, events: Iterable[Event]) -> None:
        """Run every event up to its turn."""
        self.askers = [Asker(event, self._decision(event)) for event in events]
        for asker in self.askers:
            self._advance(asker, None)
        asking = self.askers
        for _ in range(ROUNDS_MAX):
            asking = [asker for asker in asking if not asker.waits_for_turn]
            if not asking:
                return
            await self._fetch(asking)
            for asker in asking:
                self._advance(asker, self._answers(asker))
        raise broken(asking[0].event, "a party wants more rounds than any decision needs")

    def _decision(self, event: Event) -> Decision:
        try:
            if self._failure is not None and self._failure.event is event:
                return self._party.refuse(event, self._failure.error)
            return self._party.decide(event)
        except Exception as error:
            raise PartyFailed(event, error) from error

    def _advance(self, asker: Asker, answers: list[Any] | None) -> None:
        try:
            asker.wants = asker.decision.send(answers)
        except StopIteration:
            raise broken(asker.event, "a decision returns only after its turn") from None
        except Exception as error:
            raise PartyFailed(asker.event, error) from error

    async def _fetch(self, asking: list[Asker]) -> None:
        """One query per table, and one for all look-ups, for everything that these want now."""
        keys: dict[Table, set[Key]] = {}
        finds: dict[Find, None] = {}
        for asker in asking:
            for want in asker.wants:
                if type(want) is RowOf:
                    table, key = want
                    place = (table.name, key)
                    if self._is_known(table, place):
                        continue
                    if table.reference and place in self._reference:
                        # Taken over now: what another event wants may empty the cache before it is asked for.
                        self._rows[place] = self._reference.get(place)
                    else:
                        keys.setdefault(table, set()).add(key)
                elif type(want) is Find and want not in self._found:
                    finds[want] = None
        for table in sorted(keys, key=_order):
            await self._fetch_rows(table, sorted(keys[table]))
        if finds:
            self._found.update(zip(finds, await self._transaction.find(list(finds)), strict=True))
            self._found_in.update(find.table.name for find in finds)

    def _is_known(self, table: Table, place: tuple[str, Key]) -> bool:
        """Whether the row was read, and, where it is wanted with a lock, with a lock."""
        return place in self._rows and (place not in self._unlocked or table.shared)

    async def _fetch_rows(self, table: Table, wanted: list[Key]) -> None:
        rows = await self._transaction.fetch(table, wanted)
        places = [(table.name, key) for key in wanted]
        if table.shared:
            self._unlocked.update(places)
        elif self._unlocked:
            self._unlocked.difference_update(places)
        for key in wanted:
            if table.reference:
                self._reference.keep((table.name, key), rows.get(key))
            self._rows[table.name, key] = rows.get(key)

    def _answers(self, asker: Asker) -> list[Any]:
        return [_WAYS[type(want)](self, asker, want) for want in asker.wants]

    def _operate(self, asker: Asker, operation: KeyOperation) -> Any:
        answers = asker.answers
        if operation in answers:
            return answers[operation]
        try:
            answer = getattr(self._keys, operation.name)(*operation.arguments)
        except KeyRefused:
            answer = None
        except Exception as error:
            raise PartyFailed(asker.event, error) from error
        answers[operation] = answer
        return answer

    def _row(self, asker: Asker, want: RowOf) -> Row | None:
        table, key = want
        place = (table.name, key)
        if not table.reference or place in self._touched:
            asker.places.append(place)
        if self._is_known(table, place):
            return self._rows[place]
        if table.reference and place in self._reference:
            return self._reference.get(place)
        raise Deferred

    def _find(self, asker: Asker, want: Find) -> list[Row]:
        asker.finds.append(want)
        if want not in self._found:
            raise Deferred
        found = self._found[want]
        changed = self._touched_where.get((want.table.name, want.where))
        if changed is None:
            return found
        rows = {row[0]: row for row in found} | changed
        return [row for _, row in sorted(rows.items(), reverse=True) if row is not None][: want.limit]

    # --- turns ----------------------------------------------------------------------------------------------------

    def step(self, asker: Asker, turn: Turn) -> Step:
        """Let the event decide; raises Deferred when it must wait for the next batch."""
        if self._overtaken(asker):
            self._ask_again(asker)
        try:
            asker.decision.send([turn])
        except StopIteration as decided:
            step: Step = decided.value
        except Exception as error:
            raise PartyFailed(asker.event, error) from error
        else:
            raise broken(asker.event, "after its turn a decision wants nothing more")
        try:
            for write in step.write:
                self._change(write)
        except TypeError as error:
            # A key that is no key: a command at the door may say anything.
            raise PartyFailed(asker.event, error) from error
        return step

    def _overtaken(self, asker: Asker) -> bool:
        if not self._touched:
            return False
        if not self._touched.isdisjoint(asker.places):
            return True
        return any((find.table.name, find.where) in self._touched_where for find in asker.finds)

    def _ask_again(self, asker: Asker) -> None:
        """Run the event anew on the rows as they are now."""
        asker.decision.close()
        asker.decision = self._decision(asker.event)
        asker.places.clear()
        asker.finds.clear()
        self._advance(asker, None)
        for _ in range(ROUNDS_MAX):
            if asker.waits_for_turn:
                return
            self._advance(asker, self._answers(asker))
        raise broken(asker.event, "a party wants more rounds than any decision needs")

    def _change(self, write: Write) -> None:
        table, key, row, _ = write
        place = (table.name, key)
        if table.name in self._found_in:
            self._change_found(write, self._rows.get(place))
        self._rows[place] = row
        self._touched.add(place)
        self.changed_reference = self.changed_reference or table.reference

    def _change_found(self, write: Write, before: Row | None) -> None:
        """A look-up of this batch may have found the row as it was, or would find it as it is now."""
        for index in write.table.indexes:
            for row, finds_it in ((before, False), (write.row, True)):
                if row is not None:
                    where = tuple((name, getattr(row, name)) for name in index)
                    changed = self._touched_where.setdefault((write.table.name, where), {})
                    changed[write.key] = row if finds_it else None


def _order(table: Table) -> tuple[str, bool]:
    """By name; rows that are wanted both ways are locked last, so that what is known of them is what the lock keeps."""
    return table.name, not table.shared


_WAYS: dict[type, Callable[[Reading, Asker, Any], Any]] = {
    RowOf: Reading._row,
    Find: Reading._find,
    KeyOperation: Reading._operate,
}
"""How each kind of want is answered; the turn itself is not among them, for it is asked for alone."""
