"""The auditor's own reading of a log (I6): every number, hash, root and signature is computed again from the bytes.

The rules are those of RFC 6962 and of the canonical encoding, written down once more, so that a mistake in the product
is not repeated here.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import orjson

from holdfast.domain.rules import Rules
from holdfast.domain.tables import Entry, Table
from holdfast.store.interface import Checkpoint, LogState

Facts = dict[str, Any]
Complain = Callable[[str], None]

STORED_LEVELS = (8, 16)
NO_LEAF = bytes(32)


class Log(Protocol):
    """What is stored of one log: its head, its entries, nodes by level and index, checkpoints by size."""

    @property
    def state(self) -> LogState: ...
    @property
    def entries(self) -> Sequence[Entry]: ...
    @property
    def nodes(self) -> Mapping[int, Mapping[int, bytes]]: ...
    @property
    def checkpoints(self) -> Mapping[int, Checkpoint]: ...


class Rows(Protocol):
    """The rows of one table by their keys."""

    @property
    def rows(self) -> Mapping[Any, Any]: ...


class Kept(Protocol):
    """What one party recorded: a made-up database, or what `evidence` read of a real one."""

    @property
    def logs(self) -> Mapping[str, Log]: ...
    def table(self, table: Table) -> Rows: ...


class Given(Protocol):
    """What an auditor takes as given: the rules that hold for a card's scheme at a merchant, and who signs."""

    def rules_for(self, scheme: str, merchant_id: str) -> Rules:
        """The rules by which a request of that scheme and merchant is judged."""

    def signed(self, installation: str, body: bytes, sealed: str) -> bool:
        """Whether the lines `sealed` hold that installation's signature over `body`."""


def read(log: Log, whose: str, installation: str, given: Given, complain: Complain) -> list[Facts]:
    """What the entries of a log say, in order; whatever does not verify is complained of."""
    name = log.state.log
    tree = Tree()
    said: list[Facts] = []
    previous = NO_LEAF
    for place, entry in enumerate(log.entries, 1):
        facts = orjson.loads(entry.body)
        says = objection(entry, facts, name, place)
        if "previous" in facts and facts["previous"] != previous.hex():
            says = says or "does not name the entry before it"
        if says:
            complain(f"I6: {whose}: entry {place} of log {name} {says}")
        previous = sha256(b"\0" + entry.body).digest()
        tree.add(previous)
        check_tree(tree, log, whose, installation, given, complain)
        said.append(facts)
    state = log.state
    if (state.frontier.size, state.frontier.hashes, state.previous) != (len(said), tree.peaks(), previous):
        complain(f"I6: {whose}: the head of log {name} does not follow from its {len(said)} entries")
    if any(size > len(said) for size in log.checkpoints):
        complain(f"I6: {whose}: a checkpoint of log {name} covers entries that are not there")
    return said


def objection(entry: Entry, facts: Facts, name: str, place: int) -> str:
    """What is wrong with one entry, "" when nothing is."""
    if (entry.number, facts.get("number"), facts.get("log")) != (place, place, name):
        return f"is numbered {entry.number}: {facts.get('log')}-{facts.get('number')}"
    if entry.leaf != sha256(b"\0" + entry.body).digest():
        return "has another leaf than its bytes"
    if orjson.dumps(facts, option=orjson.OPT_SORT_KEYS) != entry.body or facts.get("v") != 1:
        return "is not written in the canonical way"
    if (entry.at_us, entry.kind) != (facts.get("at"), facts.get("kind")):
        return "says another time or kind than its row"
    return ""


class Tree:
    """The hash tree of a log that grows leaf by leaf: the roots of its complete subtrees, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []
        self.made: list[tuple[int, int, bytes]] = []
        """Nodes that the last leaf completed: level, index, hash."""

    def add(self, leaf: bytes) -> None:
        """One more leaf."""
        self.size += 1
        self.made = []
        level, made = 0, leaf
        while self._peaks and self._peaks[-1][0] == level:
            _, left = self._peaks.pop()
            made = sha256(b"\1" + left + made).digest()
            level += 1
            self.made.append((level, (self.size >> level) - 1, made))
        self._peaks.append((level, made))

    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees."""
        return tuple(made for _, made in self._peaks)

    def root(self) -> bytes:
        """The root hash of the tree as it is now."""
        made = self._peaks[-1][1]
        for _, left in self._peaks[-2::-1]:
            made = sha256(b"\1" + left + made).digest()
        return made


def check_tree(tree: Tree, log: Log, whose: str, installation: str, given: Given, complain: Complain) -> None:
    """The nodes that were stored, and the checkpoint that was signed, when the log had this size."""
    name = log.state.log
    for level, index, made in tree.made:
        if level in STORED_LEVELS and log.nodes.get(level, {}).get(index) != made:
            complain(f"I6: {whose}: node {index} of level {level} of log {name} is not the hash of its leaves")
    checkpoint = log.checkpoints.get(tree.size)
    if checkpoint is None:
        return
    head, _, rest = checkpoint.signed.partition("\n\n")
    body = f"{head}\n".encode()
    expected = ["holdfast/" + name, str(tree.size), b64encode(tree.root()).decode()]
    if head.split("\n")[:3] != expected or not given.signed(installation, body, rest):
        complain(f"I6: {whose}: the checkpoint of log {name} at {tree.size} does not say its root, or is not signed")
