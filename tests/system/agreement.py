"""Terminals, register and issuer agree, and with what the cashiers were told: the evidence of it, and what is wrong.

Nothing of the product judges here but `register verify`; what is held, posted and believed is folded anew.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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


class Counter(NamedTuple):
    """One terminal: its own row, its requests, the entries of its journal, and what its cashier was told."""

    device: Device
    sales: list[Sale]
    entries: list[Row]
    told: list[Row]


class Evidence(NamedTuple):
    """What everybody says. `rows` are the register's by trace key, `facts` its entries by their ids, `accounts` the
    issuer's by masked card; `cards` are those that only these terminals used.
    """

    counters: list[Counter]
    rows: dict[str, Row]
    facts: dict[str, Row]
    cards: list[str]
    accounts: dict[str, Account]
    verified: Ran


def gathered(installation: Installation, cards: Sequence[str], told: Mapping[str, list[Row]]) -> Evidence:
    """All of it, once nothing is in doubt any more; `told` is by terminal."""
    counters = [Counter(*asyncio.run(journal_of(installation, name)), lines) for name, lines in told.items()]
    rows = {row["trace_key"]: row for row in installation.register()}
    facts = {fact["entry"]: fact for fact in installation.register("--entries")}
    accounts = asyncio.run(accounts_of(installation))
    verified = expected(holdfast("register", "verify", "--json", "--data", installation.data), None, ("verify",))
    return Evidence(counters, rows, facts, list(cards), accounts, verified)


def problems_of(evidence: Evidence) -> Iterator[str]:
    """Everything that two of them say differently."""
    for counter in evidence.counters:
        yield from chain_problems(counter)
        yield from belief_problems(counter, evidence.rows)
        yield from told_problems(counter.told, evidence)
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
    if device.in_flight or device.reversal:
        yield f"{device.terminal_id} is not done: {device.in_flight or device.reversal}"
    own = {key: row for key, row in rows.items() if row["terminal_id"] == device.terminal_id}
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


def told_problems(told: list[Row], evidence: Evidence) -> Iterator[str]:
    """Who was told "approved" has a register entry, and it is in force."""
    for line in told:
        if line["outcome"] != "approved":
            continue
        fact, row = evidence.facts.get(line["register_entry"]), evidence.rows.get(line["trace_key"])
        if fact is None or fact["trace_key"] != line["trace_key"] or fact["outcome"] != "approved":
            yield f"{line['trace_key']}: shown as approved with {line['register_entry']}, which says {fact}"
        if row is None or (row["outcome"], row["amount"]) != ("approved", line["amount"]):
            yield f"{line['trace_key']}: shown as approved, and the register says {row and row['outcome']}"


def money_problems(evidence: Evidence) -> Iterator[str]:
    """Balances follow from what the register has in force: that is this fold, and none of ours."""
    for pan in evidence.cards:
        card = mask_pan(pan)
        own = [row for row in evidence.rows.values() if row["card"] == card and row["outcome"] == "approved"]
        holds = {row["entry"]: row["amount"] for row in own if row["kind"] == "pre-authorization"}
        done = [row for row in own if row["kind"] in ("completion", "void")]
        for row in done:
            if holds.pop(row["original"], None) is None:
                yield f"{row['trace_key']}: its hold {row['original']} is not in force, or was used twice"
        held_minor = sum(holds.values())
        posted_minor = sum(row["amount"] for row in done if row["kind"] == "completion")
        account = evidence.accounts[card]
        expected_minor = (OWN_AVAILABLE_MINOR - posted_minor - held_minor, held_minor)
        if (account.available_minor, account.held_minor) != expected_minor:
            yield f"{card}: available and held are {account.available_minor, account.held_minor}, not {expected_minor}"


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
