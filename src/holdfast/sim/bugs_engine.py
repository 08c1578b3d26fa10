"""Planted bugs of engines and stores: what is durable when, what a restart forgets, who else writes the same rows."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from holdfast.domain.tables import DUE, Due, Entry, Key, Row, Table
from holdfast.errors import CommitUnknown, StoreError
from holdfast.parties.step import Event, Step
from holdfast.register import checkpoint as notes
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from holdfast.register.tree import root
from holdfast.runtime.engine import Done, Engine
from holdfast.sim.tampering import Bug, Cast
from holdfast.store.interface import Batch, Checkpoint, LogState, Transaction
from holdfast.store.memory import MemoryDatabase, MemoryStore


def database(engine: Engine) -> MemoryDatabase:
    """What an engine has written, to be tampered with."""
    return cast(MemoryStore, engine._store).shared


# --- durable before answered --------------------------------------------------------------------------------------


class EagerEngine(Engine):
    """Lets its answers go before the commit."""

    def _prepare(self, steps: list[Step]) -> list[Any]:
        self._links.deliver(super()._prepare(steps))
        return []


class HopefulEngine(Engine):
    """Takes a commit of unknown outcome for one that happened."""

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        try:
            await transaction.commit()
        except CommitUnknown:
            await transaction.rollback()
        self._head = batch.after


class CarelessEngine(Engine):
    """Says "file error" when it cannot write, and prints all the same."""

    _ready: tuple[Any, ...] = ()

    def _prepare(self, steps: list[Step]) -> list[Any]:
        ready = super()._prepare(steps)
        self._ready = tuple(ready)
        return ready

    async def _decide_together(self, events: list[Event], claim: bool) -> Done:
        self._ready = ()
        try:
            return await super()._decide_together(events, claim)
        except StoreError:
            self._links.deliver(self._ready)
            return Done(len(events), 0)


class TidyEngine(Engine):
    """Removes what makes it reverse a request before it has written what became of that."""

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        for write in batch.writes:
            if write.table is DUE and write.row is None and str(write.key).startswith("answer:"):
                database(self).table(DUE).remove(write.key)
        await super()._commit(transaction, batch)


class EarlySigner(Engine):
    """Signs a checkpoint of what it is about to write."""

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        frontier = batch.after.frontier
        if batch.entries:
            body = notes.body(notes.Checkpoint(self.head.log, frontier.size, root(frontier), self._now_us()))
            signed = notes.assemble(body, self._keys.sign(body)).text
            await self._store.put_checkpoint(Checkpoint(self.head.log, frontier.size, signed))
        await super()._commit(transaction, batch)


# --- restarts -----------------------------------------------------------------------------------------------------


def restart_wipes(*kinds: str) -> type[Engine]:
    """An engine that begins by forgetting what it waited for."""

    class Forgetful(Engine):
        async def take(self) -> LogState:
            due = database(self).table(DUE)
            for key in [key for key in due.rows if str(key).startswith(kinds)]:
                due.remove(key)
            return await super().take()

    return Forgetful


# --- the log ------------------------------------------------------------------------------------------------------


class EditingEngine(Engine):
    """Writes what was reversed into the entry of what it reverses."""

    async def _commit(self, transaction: Transaction, batch: Batch) -> None:
        await super()._commit(transaction, batch)
        for entry in batch.entries:
            facts = decode_strict(entry.body)
            if facts.get("undoes") == "taken out":
                self._edit(str(facts["reverses"]))

    def _edit(self, trace_key: str) -> None:
        for log in database(self).logs.values():
            log.entries[:] = [self._reversed(entry, trace_key) for entry in log.entries]

    def _reversed(self, entry: Entry, trace_key: str) -> Entry:
        facts = decode_strict(entry.body)
        if facts.get("trace_key") != trace_key or facts.get("outcome") != "approved":
            return entry
        body = encode(facts | {"outcome": "reversed"})
        return entry._replace(body=body, leaf=leaf_hash(body))


# --- other writers of the same rows -------------------------------------------------------------------------------


class Around:
    """A transaction that does some things otherwise."""

    def __init__(self, inner: Any, shared: MemoryDatabase) -> None:
        self._inner = inner
        self._shared = shared

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Unlocked(Around):
    """Reads rows without locking them."""

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Transaction.fetch`."""
        await self._inner.find(())
        rows = self._shared.table(table).rows
        return {key: rows[key] for key in sorted(set(keys)) if key in rows}


class Stale(Around):
    """Waits for the locks of rows, and believes what they were before."""

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Transaction.fetch`."""
        before = dict(self._shared.table(table).rows)
        locked: dict[Key, Row] = await self._inner.fetch(table, keys)
        return {key: before.get(key, row) for key, row in locked.items()}


class Taking(Around):
    """Takes due rows away when it claims them, and not when what they ask for is done."""

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """See `Transaction.claim`."""
        claimed: list[Due] = await self._inner.claim(now_us, limit)
        for due in claimed:
            self._shared.table(DUE).remove(due.key)
        return claimed


class Greedy(Around):
    """Claims due rows that somebody else has claimed."""

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """See `Transaction.claim`."""
        await self._inner.find(())
        rows = self._shared.table(DUE).rows
        return [rows[key] for key in self._shared.due_keys(now_us)[:limit]]


def on(around: Callable[[Any, MemoryDatabase], Around]) -> type[Engine]:
    """An engine whose transactions are wrapped."""

    class Wrapped(Engine):
        def __init__(self, party: Any, store: Any, *others: Any, **named: Any) -> None:
            super().__init__(party, cast(Any, Store(store, around)), *others, **named)

    return Wrapped


class Store:
    """A store whose transactions are wrapped."""

    def __init__(self, inner: MemoryStore, around: Callable[[Any, MemoryDatabase], Around]) -> None:
        self._inner = inner
        self._around = around

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def begin(self) -> Around:
        """See `Store.begin`."""
        return self._around(await self._inner.begin(), self._inner.shared)


BUGS: dict[str, Bug] = {
    "answer-before-commit": Bug("the acquirer's answer leaves before the commit", Cast(acquirer_engine=EagerEngine)),
    "receipt-before-journal": Bug("the receipt is printed before the journal", Cast(terminal_engine=EagerEngine)),
    "receipt-without-journal": Bug(
        "the receipt is printed though the journal cannot be written", Cast(terminal_engine=CarelessEngine)
    ),
    "reversal-removed-early": Bug(
        "what leads to a reversal is removed before the journal is written", Cast(terminal_engine=TidyEngine)
    ),
    "unknown-commit-believed": Bug(
        "a commit of unknown outcome is taken for one that happened", Cast(acquirer_engine=HopefulEngine)
    ),
    "decided-on-old-rows": Bug(
        "what is decided after waiting for a row is decided on the row as it was", Cast(acquirer_engine=on(Stale))
    ),
    "checkpoint-before-commit": Bug("a checkpoint is signed before the commit", Cast(acquirer_engine=EarlySigner)),
    "entry-edited": Bug("a reversal is written into the entry that it reverses", Cast(acquirer_engine=EditingEngine)),
    "restart-wipes-in-flight": Bug(
        "a restarted acquirer forgets what it waits for and what it owes",
        Cast(acquirer_engine=restart_wipes("answer:", "undo:", "tell:")),
    ),
    "restart-wipes-outbox": Bug(
        "a restarted terminal forgets what it has to deliver", Cast(terminal_engine=restart_wipes("tell:", "reverse:"))
    ),
    "restart-wipes-expiries": Bug(
        "a restarted issuer forgets when its holds end", Cast(issuer_engine=restart_wipes("expire:"))
    ),
    "rows-not-locked": Bug("two workers read the same row and both write it", Cast(acquirer_engine=on(Unlocked))),
    "due-taken-when-claimed": Bug(
        "a due row is gone when it is claimed, not when it is done", Cast(acquirer_engine=on(Taking))
    ),
}
