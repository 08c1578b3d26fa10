"""What the register shows: every request once, in its present state, with the fields that other tools rely on."""

from datetime import date
from typing import Any

import pytest

from holdfast.domain.records import MERCHANTS, REQUESTS
from holdfast.reading import views
from holdfast.reading.views import EntryRow, Filters, Register, RegisterRow
from holdfast.register.canonical import decode_strict
from tests.reading.town import Ground, MemoryGround, Town, live

FIELDS = (
    *("entry", "at", "date", "time", "kind", "outcome", "response_code", "merchant_id", "merchant_name", "terminal_id"),
    *("operator", "card", "issuer", "amount", "currency", "pre_auth_amount", "trace_key", "rrn"),
    *("authorization_code", "original", "reason", "leaf"),
    *("asked_entry", "business_date", "batch", "scheme", "hold", "hold_state", "completed_amount", "refunded_amount"),
    *("rest", "waits_for"),
)


@pytest.fixture
async def ground() -> MemoryGround:
    """A town in which a day was lived."""
    ground = MemoryGround()
    await live(await Town.built(ground))
    return ground


async def listed(ground: Ground, limit: int | None = None, **filters: Any) -> list[RegisterRow]:
    register = Register(await ground.reader("acquirer"))
    return [row async for row in register.rows(Filters(**filters), limit)]


async def facts(ground: Ground, limit: int | None = None, **filters: Any) -> list[EntryRow]:
    register = Register(await ground.reader("acquirer"))
    return [row async for row in register.entries(Filters(**filters), limit)]


async def test_each_request_is_shown_once_newest_first(any_ground: Ground) -> None:
    await live(await Town.built(any_ground))
    rows = await listed(any_ground)
    assert [f"{row.entry} {row.kind} {row.outcome} {row.response_code}" for row in rows] == [
        "A-000032 pre-authorization unknown None",
        "A-000031 pre-authorization unknown 98",
        "A-000029 pre-authorization approved 00",
        "A-000024 pre-authorization reversed 98",
        "A-000022 pre-authorization expired 00",
        "A-000019 reversal approved 00",
        "A-000018 pre-authorization declined 12",
        "A-000017 reversal approved 00",
        "A-000016 pre-authorization reversed 00",
        "A-000014 void approved 00",
        "A-000012 completion declined 22",
        "A-000011 completion approved 00",
        "A-000009 completion declined 25",
        "A-000008 completion declined 64",
        "A-000007 pre-authorization approved 00",
        "A-000005 pre-authorization approved 00",
    ]


async def test_a_row_has_the_fields_of_the_contract(ground: MemoryGround) -> None:
    (completion,) = await listed(ground, trace_key="T0000001/000001/000005/0200")
    assert completion._fields == FIELDS
    (entry,) = await (await ground.reader("acquirer")).entries("A", 11, 11)
    assert completion == RegisterRow(
        entry="A-000011",
        at="2026-11-18T19:06:40.036000+08:00",
        date="2026-11-18",
        time="19:06:40",
        kind="completion",
        outcome="approved",
        response_code="00",
        merchant_id="104290070110001",
        merchant_name="东湖宾馆",
        terminal_id="T0000001",
        operator="01",
        card="622000******0019",
        issuer="99010000",
        amount=46_050,
        currency="156",
        pre_auth_amount=50_000,
        trace_key="T0000001/000001/000005/0200",
        rrn="A00000000010",
        authorization_code=completion.authorization_code,
        original="A-000005",
        reason=None,
        leaf=entry.leaf.hex(),
        asked_entry="A-000010",
        business_date="2026-11-18",
        batch="T0000001/000001",
        scheme="CUP",
        hold="A-000004",
        hold_state="completed",
        completed_amount=46_050,
        refunded_amount=0,
        rest=None,
        waits_for=None,
    )
    assert completion.authorization_code == decode_strict(entry.body)["authorization_code"]


async def test_an_original_is_named_by_the_entry_under_which_it_is_shown(ground: MemoryGround) -> None:
    rows = {row.entry: row for row in await listed(ground)}
    originals = {row.entry: row.original for row in rows.values() if row.original}
    assert originals == {
        "A-000017": "A-000016",
        "A-000014": "A-000007",
        "A-000012": "A-000005",
        "A-000011": "A-000005",
        "A-000008": "A-000005",
    }
    assert set(originals.values()) <= set(rows)


@pytest.mark.parametrize(
    ("filters", "entries"),
    [
        ({"terminal": "T0000003", "kind": "void"}, ["A-000014"]),
        ({"merchant": "104290080620003"}, ["A-000032", "A-000031", "A-000029"]),
        ({"card_last4": "0019", "kind": "pre-authorization"}, ["A-000005"]),
        ({"amount_minor": 46_050}, ["A-000012", "A-000011", "A-000009"]),
        ({"rrn": "A00000000010"}, ["A-000011"]),
        ({"day": date(2026, 12, 19)}, ["A-000032", "A-000031", "A-000029"]),
        ({"day": date(2026, 12, 18)}, []),
        ({"trace_key": "T0000001/000001/000999/0200"}, []),
    ],
)
async def test_filters_leave_what_is_asked_for(
    ground: MemoryGround, filters: dict[str, Any], entries: list[str]
) -> None:
    assert [row.entry for row in await listed(ground, **filters)] == entries


async def test_pages_leave_nothing_out_and_show_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of one batch share one time, over the ends of many pages."""
    monkeypatch.setattr(views, "ROWS_AT_ONCE", 4)
    ground = MemoryGround()
    town = await Town.built(ground)
    till = await town.terminal()
    for many in (1, 3, 9, 4, 2):
        for _ in range(many):
            till.offer(till.terminal.pre_auth("6220000000000019", 100, de14="3112"))
        await town.settle()
    rows = await listed(ground)
    times = [row.at for row in rows]
    assert times == sorted(times, reverse=True)
    assert len({row.trace_key for row in rows}) == len(rows) == 19
    for limit in (1, 3, 4, 5, 8, 19, 25):
        assert await listed(ground, limit) == rows[:limit]
        assert await listed(ground, limit, card_last4="0019") == rows[:limit]


async def test_facts_are_the_entries_newest_first(ground: MemoryGround) -> None:
    rows = await facts(ground)
    assert [row.entry for row in rows] == [f"A-{number:06d}" for number in range(32, 0, -1)]
    kinds = {row.kind for row in rows}
    assert kinds == {"audit", "sign-on", "pre-authorization", "completion", "void", "reversal", "expiry"}
    stored = await (await ground.reader("acquirer")).entries("A", 1, 32)
    assert [(row.facts, row.leaf) for row in reversed(rows)] == [
        (decode_strict(entry.body), entry.leaf.hex()) for entry in stored
    ]


@pytest.mark.parametrize(
    ("filters", "entries"),
    [
        ({"kind": "expiry"}, ["A-000026"]),
        ({"trace_key": "T0000001/000001/000005/0200"}, ["A-000011", "A-000010"]),
        ({"amount_minor": 46_050, "card_last4": "0019"}, ["A-000012", "A-000011", "A-000010", "A-000009"]),
        ({"merchant": "104290080620003", "kind": "sign-on"}, ["A-000027"]),
    ],
)
async def test_facts_are_filtered_by_what_their_request_says(
    ground: MemoryGround, filters: dict[str, Any], entries: list[str]
) -> None:
    assert [row.entry for row in await facts(ground, **filters)] == entries


async def test_several_logs_are_shown_as_one() -> None:
    ground = MemoryGround()
    await live(await Town.built(ground, 2))
    rows = await facts(ground)
    assert {row.entry[0] for row in rows} == {"A", "B"}
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
    assert len(rows) == 32


async def test_a_merchant_that_is_gone_has_no_name(ground: MemoryGround) -> None:
    ground.shared["acquirer"].table(MERCHANTS).rows.clear()
    assert {row.merchant_name for row in await listed(ground)} == {None}


async def test_no_card_number_in_clear_is_shown(ground: MemoryGround) -> None:
    for row in [*await listed(ground), *await facts(ground)]:
        assert "6220000000000019" not in str(row)
    reader = await ground.reader("acquirer")
    assert all("*" in (row.card or "*") for row in await reader.select(REQUESTS, {}))
