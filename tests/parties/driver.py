"""Drives one party by hand, synchronously, against plain dicts: no store, no engine, no wire.

It does what an engine promises a party, and holds the party to what an engine relies on: reads before the turn,
look-ups that the table has an index for, entries numbered without gaps, fresh keys that are fresh, and no change of a
row that was not read (and so not locked) by the same decision.
"""

from collections.abc import Callable, Iterable
from typing import Any

from holdfast.domain.tables import DUE, Due, Entry, Find, Key, Row, Table
from holdfast.errors import KeyRefused
from holdfast.keys.interface import Keys
from holdfast.parties.step import TURN, Decision, Event, KeyOperation, Party, Received, RowOf, Step, Turn, Want
from holdfast.register.canonical import decode_strict
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import Dialect
from holdfast.wire.message import Message
from holdfast.wire.security import MAC_PLACEHOLDER, mac_block, put_mac


class Bench:
    """One party on the bench. `rows` are its tables, `entries` its log; `audit` is called after each step.

    `linked` are the hosts to which the party's turns say that a link is up.
    """

    def __init__(
        self,
        party: Party,
        tables: Iterable[Table],
        keys: Keys,
        log: str = "A",
        audit: Callable[["Bench"], None] | None = None,
    ) -> None:
        self.party = party
        self.keys = keys
        self.log = log
        self.audit = audit
        self.linked: frozenset[str] = frozenset()
        self.rows: dict[Table, dict[Key, Row]] = {table: {} for table in tables}
        self.entries: list[Entry] = []
        self._named = {table.name: table for table in self.rows}
        self._read: set[tuple[Table, Key]] = set()

    def offer(self, event: Event, now_us: int) -> Step:
        """The party decides on an event; what the step writes is in the tables afterwards."""
        return self._run(self.party.decide(event), now_us)

    def refuse(self, event: Event, error: Exception, now_us: int) -> Step:
        """The party is told that its decision on this event raised."""
        return self._run(self.party.refuse(event, error), now_us)

    def run_due(self, now_us: int) -> list[Step]:
        """Every due row whose time has come is offered, oldest first, once."""
        rows: Iterable[Due] = self.rows[DUE].values()
        return [self.offer(due, now_us) for due in sorted(rows, key=lambda due: due.due_us) if due.due_us <= now_us]

    @property
    def book(self) -> list[dict[str, Any]]:
        """What each entry says, the first one first."""
        return [decode_strict(entry.body) for entry in self.entries]

    # --- as an engine does it ---

    def _run(self, decision: Decision, now_us: int) -> Step:
        self._read.clear()
        answers: Any = None
        turns = 0
        try:
            while True:
                wants = decision.send(answers)
                assert turns == 0, "a party reads nothing after its turn"
                turns = wants.count(TURN)
                assert turns == 0 or len(wants) == 1, "the turn is asked for alone"
                answers = tuple(self._answer(want, now_us) for want in wants)
        except StopIteration as end:
            step = end.value
        assert turns == 1, "a party takes its turn before it decides"
        assert isinstance(step, Step)
        self._commit(step)
        if self.audit is not None:
            self.audit(self)
        return step

    def _answer(self, want: Want, now_us: int) -> Any:
        match want:
            case RowOf(wanted, key):
                # A row may be wanted with a lock although its table is read without: it is the same table.
                table = self._named[wanted.name]
                self._read.add((table, key))
                return self.rows[table].get(key)
            case Find():
                return self._find(want)
            case KeyOperation(name, arguments):
                try:
                    return getattr(self.keys, name)(*arguments)
                except KeyRefused:
                    return None
        last = self.entries[-1].leaf if self.entries else bytes(32)
        return Turn(now_us, self.log, len(self.entries) + 1, last, self.linked)

    def _find(self, find: Find) -> list[Row]:
        columns = tuple(column for column, _ in find.where)
        assert columns in find.table.indexes, f"{find.table.name} has no index on {columns}"
        rows = self.rows[find.table]
        fitting = [key for key, row in rows.items() if all(getattr(row, name) == is_ for name, is_ in find.where)]
        return [rows[key] for key in sorted(fitting, reverse=True)[: find.limit]]

    def _commit(self, step: Step) -> None:
        for entry in step.entries:
            assert entry.number == len(self.entries) + 1, "entries are numbered without gaps"
            self.entries.append(entry)
        for table, key, row, fresh in step.write:
            rows = self.rows[table]
            if fresh:
                assert key not in rows, f"{table.name} {key!r} is not new"
            elif table.locks and table is not DUE:
                assert (table, key) in self._read, f"{table.name} {key!r} is changed and was not read"
            if row is None:
                rows.pop(key, None)
                continue
            assert row[0] == key, f"{table.name} {key!r} is written as {row[0]!r}"
            assert isinstance(row, table.row), f"{table.name} {key!r} is no {table.row.__name__}"
            rows[key] = row


def on_the_wire(
    dialect: Dialect, message: Message, keys: Keys | None = None, seal: tuple[bytes, str] | None = None
) -> Message:
    """The message as the other side receives it: encoded, sealed with (key, algorithm), decoded."""
    fields = dict(message.fields)
    if seal is not None:
        fields[dialect.mac_field] = MAC_PLACEHOLDER
    body = encode(dialect, Message(message.mti, fields))
    if seal is not None:
        assert keys is not None, "a seal needs a key service"
        body = put_mac(body, keys.mac(*seal, mac_block(dialect, body)))
    return decode(dialect, body)


def received(
    dialect: Dialect,
    message: Message,
    keys: Keys | None = None,
    seal: tuple[bytes, str] | None = None,
    link: int = 1,
    peer: str = "",
) -> Received:
    """The event that a message of the other side is."""
    return Received(link, peer, on_the_wire(dialect, message, keys, seal))
