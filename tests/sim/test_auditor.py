"""The auditor sees what is wrong: one thing at a time is spoilt in a world that came to rest, and it is named."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import orjson
import pytest

from holdfast.domain.records import ACCOUNTS, ANSWERS, BATCHES, FREEZES, HOLDS, REQUESTS, SALES
from holdfast.domain.tables import Table
from holdfast.register.canonical import leaf_hash
from holdfast.sim.world import World
from holdfast.store.memory_database import MemoryDatabase


@cache
def world() -> World:
    """A world that came to rest with nothing to complain of."""
    made = World(1, 5)
    made.run()
    assert made.complaints == []
    return made


def complaints_after(spoil: Callable[[World], None]) -> list[str]:
    """What the auditor says once something was spoilt; the databases are put back afterwards."""
    at_rest = world()
    databases = (at_rest.acquirers.database, at_rest.issuer.database, at_rest.tills[0].database)  # type: ignore[union-attr]
    kept = [({name: deepcopy(vars(log)) for name, log in d.logs.items()}, rows_of(d)) for d in databases]
    try:
        spoil(at_rest)
        at_rest.audit()
        return list(at_rest.complaints)
    finally:
        at_rest.complaints.clear()
        for database, (logs, tables) in zip(databases, kept, strict=True):
            for name, log in logs.items():
                vars(database.logs[name]).update(log)
            for name, rows in tables.items():
                database._tables[name].rows = rows


def rows_of(database: MemoryDatabase) -> dict[str, dict[Any, Any]]:
    """A copy of all tables."""
    return {name: dict(table.rows) for name, table in database._tables.items()}


def change(database: MemoryDatabase, table: Table, wanted: Callable[[Any], bool], **values: Any) -> None:
    """Change the first row that is wanted."""
    rows = database.table(table).rows
    key = next(key for key in sorted(rows) if wanted(rows[key]))
    rows[key] = rows[key]._replace(**values)


def rewrite(database: MemoryDatabase, log: str, wanted: Callable[[dict[str, Any]], bool], **facts: Any) -> None:
    """Change what an entry says, and its leaf with it."""
    entries = database.logs[log].entries
    place = next(place for place, entry in enumerate(entries) if wanted(orjson.loads(entry.body)))
    body = orjson.dumps(orjson.loads(entries[place].body) | facts, option=orjson.OPT_SORT_KEYS)
    entries[place] = entries[place]._replace(body=body, leaf=leaf_hash(body))


def approved(facts: dict[str, Any]) -> bool:
    return facts.get("phase") == "answered" and facts.get("outcome") == "approved"


def declined_after_all(world: World) -> None:
    rows = world.acquirers.database.table(REQUESTS).rows
    standing = {
        receipt.trace_key for receipt in world.witness.receipts if rows[receipt.trace_key].outcome == "approved"
    }
    rewrite(
        world.acquirers.database,
        "A",
        lambda facts: approved(facts) and facts["trace_key"] in standing,
        outcome="declined",
    )


def an_entry_is_missing(world: World) -> None:
    del world.acquirers.database.logs["A"].entries[20]


def two_entries_changed_places(world: World) -> None:
    entries = world.acquirers.database.logs["A"].entries
    entries[20], entries[21] = entries[21], entries[20]


def a_leaf_is_another(world: World) -> None:
    entries = world.issuer.database.logs["I"].entries
    entries[9] = entries[9]._replace(leaf=bytes(32))


def a_checkpoint_is_forged(world: World) -> None:
    checkpoints = world.acquirers.database.logs["A"].checkpoints
    size = max(checkpoints)
    checkpoints[size] = checkpoints[size]._replace(signed=checkpoints[size].signed.replace("\n", "\n1", 1))


def a_journal_entry_is_another(world: World) -> None:
    database = world.tills[0].database  # type: ignore[union-attr]
    rewrite(database, "J", lambda facts: facts["phase"] == "asked", operator="77")


def a_balance_is_another(world: World) -> None:
    change(world.issuer.database, ACCOUNTS, lambda row: row.kind == "debit", available_minor=1)


def a_posting_does_not_sum(world: World) -> None:
    posted = world.issuer.database
    rewrite(posted, "I", lambda facts: "postings" in facts, postings=[["01020000/funding", "available", -1]])


def a_request_is_open(world: World) -> None:
    change(world.acquirers.database, REQUESTS, lambda row: row.outcome == "approved", outcome="unknown")


def a_hold_is_another(world: World) -> None:
    change(world.acquirers.database, HOLDS, lambda row: row.state == "completed", completed_minor=1)


def a_freeze_is_another(world: World) -> None:
    change(world.issuer.database, FREEZES, lambda row: row.state == "completed", held_minor=1)


def an_answer_is_another(world: World) -> None:
    change(world.issuer.database, ANSWERS, lambda row: row.outcome == "approved", response_code="51")


def a_belief_is_another(world: World) -> None:
    database = world.tills[0].database  # type: ignore[union-attr]
    change(database, SALES, lambda row: row.outcome == "approved", outcome="declined")


def the_book_forgot(world: World) -> None:
    def ours(facts: dict[str, Any]) -> bool:
        if facts.get("phase") != "judged" or facts["outcome"] != "approved":
            return False
        request = world.acquirers.database.table(REQUESTS).rows[facts["trace_key"]]
        labelled = world.labels.of_the_issuer(request.trace_key, request.hold_id or "")
        return request.outcome == "approved" and not labelled

    rewrite(world.issuer.database, "I", ours, outcome="declined")


def a_total_is_another(world: World) -> None:
    change(world.acquirers.database, BATCHES, lambda row: row.debit_minor > 0, debit_minor=1)


def a_settlement_is_flattered(world: World) -> None:
    database = world.acquirers.database
    log = next(
        name
        for name in sorted(database.logs)
        if any(entry.kind == "settlement" for entry in database.logs[name].entries)
    )
    rewrite(database, log, lambda facts: facts["kind"] == "settlement", told="9" * 12 + "0" * 50)


def a_finding_too_many(world: World) -> None:
    found = {"kind": "finding", "phase": "raised", "reason": "nobody knows"}
    rewrite(world.acquirers.database, "A", lambda facts: facts["kind"] == "audit", trace_key="", **found)


def a_second_completion(world: World) -> None:
    twice = next(
        facts["hold"]
        for log in world.issuer.database.logs.values()
        for entry in log.entries
        if (facts := orjson.loads(entry.body)).get("hold", {}).get("act", [""])[0] == "complete"
    )
    rewrite(
        world.issuer.database,
        "I",
        lambda facts: facts.get("phase") == "expired",
        hold={"id": twice["id"], "version": twice["version"] + 1, "act": ["complete", "A-999999", 1]},
    )


def opens(facts: dict[str, Any]) -> bool:
    return facts.get("phase") == "asked" and facts["kind"] == "pre-authorization"


def a_card_is_another(world: World) -> None:
    rewrite(world.acquirers.database, "A", opens, card="621000******9999")


def a_reference_number_is_another(world: World) -> None:
    rewrite(world.acquirers.database, "A", opens, rrn="A00000000000")


def an_entry_tells_the_card_number(world: World) -> None:
    rewrite(world.acquirers.database, "A", opens, beside=world.plan.cards[3].pan)


def the_book_tells_a_pin(world: World) -> None:
    rewrite(world.issuer.database, "I", lambda facts: facts.get("phase") == "judged", beside=world.plan.cards[0].pin)


SPOILT = [
    (a_card_is_another, "I2"),
    (a_reference_number_is_another, "I2"),
    (an_entry_tells_the_card_number, "I8"),
    (the_book_tells_a_pin, "I8"),
    (an_entry_is_missing, "I6"),
    (two_entries_changed_places, "I6"),
    (a_leaf_is_another, "I6"),
    (a_checkpoint_is_forged, "I6"),
    (a_journal_entry_is_another, "I6"),
    (declined_after_all, "I2"),
    (declined_after_all, "I1"),
    (the_book_forgot, "I2"),
    (a_second_completion, "I3"),
    (a_balance_is_another, "I4"),
    (a_posting_does_not_sum, "I4"),
    (a_request_is_open, "I7"),
    (a_hold_is_another, "I7"),
    (a_freeze_is_another, "I7"),
    (an_answer_is_another, "I7"),
    (a_total_is_another, "I7"),
    (a_settlement_is_flattered, "I2"),
    (a_finding_too_many, "I2"),
    (a_belief_is_another, "I7"),
]


@pytest.mark.parametrize(("spoil", "invariant"), SPOILT)
def test_what_is_spoilt_is_named(spoil: Callable[[World], None], invariant: str) -> None:
    assert {complaint[:2] for complaint in complaints_after(spoil)} >= {invariant}


def test_what_was_put_back_is_no_complaint() -> None:
    assert complaints_after(a_hold_is_another)
    assert complaints_after(lambda world: None) == []


def test_the_auditor_shares_no_fold_with_the_product(repository: Any) -> None:
    shared = (
        "domain.hold",
        "domain.projections",
        "domain.ledger",
        "domain.journal",
        "holdfast.reading",
        "register.tree",
    )
    own = ("own_book", "own_journal", "own_register", "own_rows")
    for name in ("amounts", "auditor", "facts", "findings", "folds", "logbook", "witness", *own):
        text = (repository / "src" / "holdfast" / "sim" / f"{name}.py").read_text(encoding="utf-8")
        assert [module for module in shared if f"holdfast.{module}" in text] == []
