"""Card numbers go when nobody needs them any more, and nothing else goes with them."""

from collections.abc import Mapping
from typing import Any

import pytest

from holdfast.clock import DAY_US
from holdfast.domain.commands import AUDIT
from holdfast.domain.records import CARDS, HOLDS, MERCHANTS, SCHEMES, Scheme
from holdfast.domain.rules import Rules
from holdfast.parties.retention import RETIRE
from holdfast.parties.step import Command
from holdfast.reading.audit import verify
from holdfast.reading.rebuild import REGISTER
from holdfast.reading.retention import YEAR_DAYS, Look, kept_us, look, used_since
from holdfast.register.canonical import decode_strict
from tests.reading.town import Ground, MemoryGround, Town, pan_of

LATER_US = 5 * YEAR_DAYS * DAY_US
CARDS_USED = ("alice", "bob", "kate", "leo", "poor")


async def lived(ground: Ground) -> Town:
    """A completed hold of alice, a voided one of bob, one of kate that stands, leo in doubt, and poor declined."""
    town = await Town.built(ground)
    till = await town.terminal(0)
    placed = await till.pre_auth("alice", 50_000)
    await till.complete("alice", 46_050, placed.get(38))
    voided = await till.pre_auth("bob", 20_000)
    await till.void("bob", 20_000, voided.get(38))
    await till.pre_auth("kate", 9_900)
    assert (await till.pre_auth("poor", 20_000)).get(39) == "51"
    await till.ask_in_vain("leo", 4_500)
    return town


async def retired(town: Town, found: Look, sizes: Mapping[str, int], dry_run: bool = False) -> dict[str, Any]:
    """The answer at the door."""
    answers: list[dict[str, Any]] = []
    caller = town._links[0].add_caller(lambda value: answers.append(dict(value)))
    arguments = {"tokens": found.unused, "sizes": dict(sizes), "dry_run": dry_run}
    town.acquirers[0].offer(Command(caller, RETIRE, arguments, "retention"))
    await town.acquirers[0].turn(False)
    return answers[0]


async def in_vault(town: Town) -> set[str]:
    """Whose card number is there, of those that were used."""
    transaction = await town.acquirers[0]._store.begin()
    try:
        hashes = {name: town.keys.pan_hash(pan_of(name)) for name in CARDS_USED}
        rows = await transaction.fetch(CARDS, sorted(hashes.values()))
        return {name for name, hashed in hashes.items() if hashed in rows}
    finally:
        await transaction.rollback()


async def test_what_nobody_needs_is_shredded_and_everything_still_holds(any_ground: Ground) -> None:
    town = await lived(any_ground)
    reader = await any_ground.reader("acquirer")
    used_us = town.now_us
    found = await look(reader, used_us + LATER_US)
    assert (found.cards, len(found.unused)) == (5, 3), "alice, bob and poor"
    assert (await look(reader, used_us + LATER_US - DAY_US)).unused == []
    before = await verify(reader, REGISTER, town.keys.public_key(), [])
    dry = await retired(town, found, found.sizes, dry_run=True)
    assert (dry["shredded"], dry["kept"], await in_vault(town)) == (3, 0, set(CARDS_USED))
    answer = await retired(town, found, found.sizes)
    assert answer == {"ok": True, "moved": False, "entry": answer["entry"], "shredded": 3, "kept": 0}
    assert await in_vault(town) == {"kate", "leo"}
    (head,) = await reader.logs()
    (entry,) = await reader.entries(head.log, head.frontier.size, head.frontier.size)
    said = decode_strict(entry.body)
    assert (said["kind"], said["phase"], said["actor"], said["counts"]) == (AUDIT, "retired", "retention", {"cards": 3})
    after = await verify(reader, REGISTER, town.keys.public_key(), [])
    assert (before.problems, after.problems) == ([], [])
    sizes = {log: size + 1 for log, size in found.sizes.items()}
    assert (await retired(town, found, sizes))["shredded"] == 0, "once is enough"
    assert (await reader.logs())[0].frontier.size == head.frontier.size, "and nothing is recorded of nothing"


async def test_a_register_that_grew_since_is_looked_at_again(any_ground: Ground) -> None:
    town = await lived(any_ground)
    reader = await any_ground.reader("acquirer")
    found = await look(reader, town.now_us + LATER_US)
    till = await town.terminal(2)
    town.issuer_listens = True
    await till.pre_auth("alice", 100)
    assert await retired(town, found, found.sizes) == {"ok": True, "moved": True}
    assert await in_vault(town) == set(CARDS_USED)
    used, sizes = await used_since(reader, found.sizes)
    assert len(used & set(found.unused)) == 1, "alice came back"
    assert (await used_since(reader, sizes)) == (set(), sizes)
    rest = found._replace(unused=[token for token in found.unused if token not in used])
    assert (await retired(town, rest, sizes))["shredded"] == 2
    assert await in_vault(town) == {"alice", "kate", "leo"}


async def test_the_party_itself_keeps_the_card_of_a_hold_that_stands() -> None:
    ground = MemoryGround()
    town = await lived(ground)
    reader = await ground.reader("acquirer")
    found = await look(reader, town.now_us + LATER_US)
    everybody = found._replace(unused=sorted({hold.token for hold in await reader.select(HOLDS, {})} | {"nobody's"}))
    answer = await retired(town, everybody, found.sizes)
    assert (answer["shredded"], answer["kept"]) == (2, 1)
    assert "kate" in await in_vault(town)


async def test_a_hold_of_another_worker_placed_since_keeps_its_card() -> None:
    ground = MemoryGround()
    town = await Town.built(ground, workers=2)
    till, other = await town.terminal(0), await town.terminal(2, worker=1)
    voided = await till.pre_auth("bob", 20_000)
    await till.void("bob", 20_000, voided.get(38))
    reader = await ground.reader("acquirer")
    found = await look(reader, town.now_us + LATER_US)
    placed = await other.pre_auth("bob", 20_000)
    await other.void("bob", 20_000, placed.get(38))
    answer = await retired(town, found, found.sizes)
    assert (answer["moved"], answer["shredded"], answer["kept"]) == (False, 0, 1)


async def test_a_shredded_card_that_comes_back_is_a_new_one() -> None:
    ground = MemoryGround()
    town = await lived(ground)
    reader = await ground.reader("acquirer")
    found = await look(reader, town.now_us + LATER_US)
    await retired(town, found, found.sizes)
    town.issuer_listens = True
    till = await town.terminal(2)
    placed = await till.pre_auth("alice", 100)
    assert (placed.get(39), "alice" in await in_vault(town)) == ("00", True)
    assert (await till.complete("alice", 100, placed.get(38))).get(39) == "00"
    assert len({hold.token for hold in await reader.select(HOLDS, {}) if hold.card.endswith(pan_of("alice")[-4:])}) == 2


@pytest.mark.parametrize(
    ("of_merchant", "everywhere", "years"),
    [("", "retention_years=3", 3), ("retention_years=7", "retention_years=3", 7), ("", "", 5)],
)
async def test_the_merchants_rules_say_how_long(of_merchant: str, everywhere: str, years: int) -> None:
    ground = MemoryGround()
    town = await lived(ground)
    shared = ground.shared["acquirer"]
    for key, row in shared.table(MERCHANTS).rows.items():
        shared.table(MERCHANTS).rows[key] = row._replace(rules=of_merchant)
    shared.table(SCHEMES).rows["*"] = Scheme("*", everywhere)
    reader = await ground.reader("acquirer")
    ends_us = town.now_us + years * YEAR_DAYS * DAY_US
    assert len((await look(reader, ends_us)).unused) == 3
    assert (await look(reader, ends_us - DAY_US)).unused == []


def test_what_may_be_refunded_is_kept_as_long() -> None:
    assert kept_us(Rules(retention_years=1, refund_days=30)) == YEAR_DAYS * DAY_US
    assert kept_us(Rules(retention_years=1, refund_days=3650)) == 3651 * DAY_US
