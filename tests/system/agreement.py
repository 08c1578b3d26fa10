"""Terminals, register and issuer agree, and with what the cashiers were told: the evidence of it, and what is wrong.

Nothing of the product judges here but `register verify`; what is held, posted and believed is folded anew.
"""

import asyncio
from collections import Counter as Sums
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.domain.commands import BY_NAME, REVERSAL, SETTLEMENT
from holdfast.domain.journal import rebuild, without_secrets
from holdfast.domain.records import ACCOUNTS, DEVICES, SALES, Account, Device, Sale
from holdfast.edges.open_reader import installation as installation_of
from holdfast.edges.open_reader import open_reader
from holdfast.ids import mask_pan
from holdfast.register.canonical import decode_strict
from holdfast.runtime.config import ISSUER
from holdfast.runtime.pos import file_of
from holdfast.store.sqlite import SqliteReader
from tests.system.installation import OWN_AVAILABLE_MINOR, Installation, Ran, expected, holdfast

Row = dict[str, Any]
HOLDS = frozenset({"pre-authorization", "moto-pre-authorization"})
COMPLETES = frozenset({"completion", "completion-advice"})
UNDOES_POSTING = frozenset({"completion-void", "sale-void"})


class Counter(NamedTuple):
    """One terminal: its own row, its requests, the entries of its journal, and what its cashier was told."""

    device: Device
    sales: list[Sale]
    entries: list[Row]
    told: list[Row]


class Evidence(NamedTuple):
    """What everybody says. `rows` are the register's by trace key, `facts` its entries by their ids, `accounts` the
    issuer's by masked card, `batches` the register's; `cards` are those that only these terminals used.
    """

    counters: list[Counter]
    rows: dict[str, Row]
    facts: dict[str, Row]
    cards: list[str]
    accounts: dict[str, Account]
    batches: list[Row]
    verified: Ran


def gathered(installation: Installation, cards: Sequence[str], told: Mapping[str, list[Row]]) -> Evidence:
    """All of it, once nothing is in doubt any more; `told` is by terminal."""
    counters = [Counter(*asyncio.run(journal_of(installation, name)), lines) for name, lines in told.items()]
    rows = {row["trace_key"]: row for row in installation.register()}
    facts = {fact["entry"]: fact for fact in installation.register("--entries")}
    accounts = asyncio.run(accounts_of(installation))
    verified = expected(holdfast("register", "verify", "--json", "--data", installation.data), None, ("verify",))
    batches = installation.run("register", "batches", "--json").rows
    return Evidence(counters, rows, facts, list(cards), accounts, batches, verified)


def problems_of(evidence: Evidence) -> Iterator[str]:
    """Everything that two of them say differently."""
    for counter in evidence.counters:
        yield from chain_problems(counter)
        yield from belief_problems(counter, evidence.rows)
        yield from told_problems(counter.told, evidence)
        yield from batch_problems(counter, evidence.batches)
    yield from (f"{key} is still {row['outcome']}" for key, row in evidence.rows.items() if row["outcome"] == "unknown")
    yield from money_problems(evidence)
    yield from map(str, evidence.verified.json["problems"])
    if (evidence.verified.code, evidence.verified.json["ok"]) != (0, True):
        yield f"register verify ended {evidence.verified.code}"


def chain_problems(counter: Counter) -> Iterator[str]:
    """A journal without gaps, from which the terminal's rows follow."""
    device, sales, entries, _ = counter
    if [entry["number"] for entry in entries] != list(range(1, len(entries) + 1)):
        yield f"{device.terminal_id}: its journal has gaps"
    again, rows = rebuild(entries)
    if again != without_secrets(device) or rows != {sale.trace_key: without_secrets(sale) for sale in sales}:
        yield f"{device.terminal_id}: its rows do not follow from its journal"


def belief_problems(counter: Counter, rows: dict[str, Row]) -> Iterator[str]:
    """What the terminal believes is what the register says, both ways."""
    device, sales, _, _ = counter
    if device.in_flight or device.reversal or device.settling:
        yield f"{device.terminal_id} is not done: {device.in_flight or device.reversal or device.settling}"
    own = {key: row for key, row in rows.items() if row["terminal_id"] == device.terminal_id and is_business(row)}
    known = {sale.trace_key: sale for sale in sales if sale.amount_minor}
    yield from (f"{key}: the register has it, the terminal does not" for key in own if key not in known)
    for key, sale in known.items():
        registered = own[key]["outcome"] if key in own else None
        if sale.outcome not in ("approved", "declined", "reversed"):
            yield f"{key}: the terminal does not know what became of it: {sale.outcome}"
        if (sale.outcome == "approved") != (registered == "approved"):
            yield f"{key}: the terminal believes {sale.outcome}, the register says {registered}"
        if key in own and sale.outcome == "approved" and sale.amount_minor != own[key]["amount"]:
            yield f"{key}: amounts differ"


def is_business(row: Row) -> bool:
    """Whether it is a request that a terminal keeps, and not one about a batch."""
    return row["kind"] in BY_NAME or row["kind"] == REVERSAL


def told_problems(told: list[Row], evidence: Evidence) -> Iterator[str]:
    """Who was told "approved" has a register entry, and it is in force."""
    for line in told:
        if line["outcome"] != "approved" or line["kind"] == SETTLEMENT:
            continue
        fact, row = evidence.facts.get(line["register_entry"]), evidence.rows.get(line["trace_key"])
        if fact is None or fact["trace_key"] != line["trace_key"] or fact["outcome"] != "approved":
            yield f"{line['trace_key']}: shown as approved with {line['register_entry']}, which says {fact}"
        if row is None or (row["outcome"], row["amount"]) != ("approved", line["amount"]):
            yield f"{line['trace_key']}: shown as approved, and the register says {row and row['outcome']}"


def batch_problems(counter: Counter, batches: list[Row]) -> Iterator[str]:
    """What the register counts in each batch is what the terminal believes of it, all cards being domestic."""
    believed: dict[str, Sums[str]] = {}
    for sale in counter.sales:
        total = BY_NAME[sale.kind].total if sale.kind in BY_NAME else ""
        if sale.outcome == "approved" and total:
            sums = believed.setdefault(f"{counter.device.terminal_id}/{sale.batch}", Sums())
            sums.update({f"{total}_amount": sale.amount_minor, f"{total}_count": 1})
    own = {row["batch"]: row for row in batches if row["terminal_id"] == counter.device.terminal_id}
    for name in own.keys() | believed.keys():
        counted = own[name]["ours"]["domestic"] if name in own else {}
        if {each: n for each, n in counted.items() if n} != believed.get(name, {}):
            yield f"batch {name}: the terminal believes {dict(believed.get(name, {}))}, the register counts {counted}"
        if name in own and own[name]["state"] == "open" and believed.get(name):
            yield f"batch {name} was never settled"


def money_problems(evidence: Evidence) -> Iterator[str]:
    """Balances follow from what the register has in force: that is this fold, and none of ours."""
    for pan in evidence.cards:
        card = mask_pan(pan)
        own = [row for row in evidence.rows.values() if row["card"] == card and row["outcome"] == "approved"]
        held, posted = {row["trace_key"]: row["amount"] for row in own if row["kind"] in HOLDS}, Sums[str]()
        meant = {row["trace_key"]: original_of(row, evidence) for row in own if row["original"]}
        undone = {meant[row["trace_key"]] for row in own if row["kind"] in UNDOES_POSTING}
        for row in own:
            if row["kind"] == "increment":
                held[meant[row["trace_key"]]] = held.get(meant[row["trace_key"]], 0) + row["amount"]
        for row in own:
            key, kind = row["trace_key"], row["kind"]
            if (kind == "void" or kind in COMPLETES) and key not in undone and held.pop(meant[key], None) is None:
                yield f"{key}: its hold {row['original']} is not in force, or was used twice"
            if kind in COMPLETES | {"sale"} and key not in undone:
                posted[key] += row["amount"]
            if kind == "refund":
                posted[meant[key]] -= row["amount"]
        yield from (f"{key}: more was refunded than was posted" for key, amount in posted.items() if amount < 0)
        held_minor = sum(held.values())
        account = evidence.accounts[card]
        expected_minor = (OWN_AVAILABLE_MINOR - posted.total() - held_minor, held_minor)
        if (account.available_minor, account.held_minor) != expected_minor:
            yield f"{card}: available and held are {account.available_minor, account.held_minor}, not {expected_minor}"


def original_of(row: Row, evidence: Evidence) -> str:
    """The trace key of the request that a row means, "" where its entry is gone."""
    fact = evidence.facts.get(row["original"])
    return str(fact["trace_key"]) if fact else ""


async def journal_of(installation: Installation, terminal_id: str) -> tuple[Device, list[Sale], list[dict[str, Any]]]:
    """A terminal's row, its requests, and the entries of its journal."""
    reader = SqliteReader(file_of(installation.tills, terminal_id))
    try:
        [head] = await reader.logs()
        entries = await reader.entries(head.log, 1, head.frontier.size)
        device: Device | None = await reader.row(DEVICES, terminal_id)
        assert device is not None
        return device, await reader.select(SALES, {}), [decode_strict(entry.body) for entry in entries]
    finally:
        await reader.close()


async def accounts_of(installation: Installation) -> dict[str, Account]:
    """The issuer's accounts by masked card."""
    async with open_reader(installation_of(installation.data, "", None).dsns, ISSUER) as reader:
        return {account.card: account for account in await reader.select(ACCOUNTS, {}) if account.card}
