"""`register show`: one entry, what else happened to its request and hold, and the near misses of a 25."""

import pytest

from holdfast.errors import BadInput
from holdfast.reading import timeline
from holdfast.reading.timeline import Detail, detail
from holdfast.reading.views import Register
from tests.reading.town import Ground, MemoryGround, Town, live


async def shown(ground: Ground, named: str) -> Detail | None:
    reader = await ground.reader("acquirer")
    return await detail(reader, Register(reader), named)


def told(found: Detail | None) -> list[str]:
    assert found is not None
    return [f"{row.entry} {row.kind} {row.phase}" for row in found.timeline]


@pytest.fixture
async def ground() -> MemoryGround:
    ground = MemoryGround()
    await live(await Town.built(ground))
    return ground


ALICES_HOLD = [
    "A-000004 pre-authorization asked",
    "A-000005 pre-authorization answered",
    "A-000008 completion refused",
    "A-000010 completion asked",
    "A-000011 completion answered",
    "A-000012 completion refused",
]


@pytest.mark.parametrize(
    ("named", "entry"),
    [
        ("A-000011", "A-000011"),
        ("A-000010", "A-000010"),
        ("A-000005", "A-000005"),
        ("A00000000010", "A-000011"),
        ("T0000001/000001/000005/0200", "A-000011"),
        ("T0000001/000001/000005/0201", "A-000011"),
    ],
)
async def test_a_request_is_found_by_entry_rrn_and_trace_key(ground: MemoryGround, named: str, entry: str) -> None:
    found = await shown(ground, named)
    assert found is not None
    assert found.entry.entry == entry
    assert found.request is not None
    assert found.complete
    assert told(found) == [line for line in ALICES_HOLD if not line.startswith(entry)]


async def test_a_25_names_what_almost_fits(ground: MemoryGround) -> None:
    found = await shown(ground, "A-000009")
    assert found is not None
    assert found.candidates == [
        {"hold": "A-000004", "differs": [{"what": "date", "given": "0101", "registered": "1118"}]}
    ]
    assert found.entry.reason == "nearest hold A-000004: date is 1118, not 0101"


async def test_a_request_that_was_undone_shows_how(ground: MemoryGround) -> None:
    found = await shown(ground, "T0000001/000001/000009/0100")
    assert found is not None
    assert found.request is not None
    assert (found.request.outcome, found.entry.phase) == ("reversed", "unknown")
    assert told(found) == ["A-000023 pre-authorization asked", "A-000025 reversal undone"]


async def test_a_reversal_shows_what_it_undid(ground: MemoryGround) -> None:
    lines = ["A-000015 pre-authorization asked", "A-000016 pre-authorization answered", "A-000020 reversal undone"]
    assert told(await shown(ground, "A-000017")) == lines


async def test_the_end_of_a_hold_belongs_to_it(ground: MemoryGround) -> None:
    lines = ["A-000021 pre-authorization asked", "A-000022 pre-authorization answered"]
    assert told(await shown(ground, "A-000026")) == lines
    assert told(await shown(ground, "A-000022")) == [lines[0], "A-000026 expiry expired"]


async def test_an_entry_without_a_request_stands_alone(ground: MemoryGround) -> None:
    found = await shown(ground, "A-000001")
    assert found is not None
    assert (found.entry.kind, found.request, found.timeline) == ("audit", None, [])


async def test_two_logs_are_told_as_one_story() -> None:
    ground = MemoryGround()
    await live(await Town.built(ground, 2))
    found = await shown(ground, "T0000001/000001/000009/0100")
    assert [line.split(" ", 1)[1] for line in told(found)] == ["pre-authorization asked", "reversal undone"]
    assert found is not None
    assert found.entry.entry.startswith("B-")


async def test_a_timeline_says_when_it_was_cut_off(ground: MemoryGround, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "LOOKED_AT_MAX", 10)
    found = await shown(ground, "A-000004")
    assert found is not None
    assert not found.complete


@pytest.mark.parametrize("named", ["A-000099", "B-000001", "A00000000099", "T0000001/000001/000999/0200"])
async def test_what_is_not_there_is_none(ground: MemoryGround, named: str) -> None:
    assert await shown(ground, named) is None


@pytest.mark.parametrize("named", ["", "soon", "A-1", "A000000010", "T1/2/3/4", "a00000000010"])
async def test_what_names_nothing_is_bad_input(ground: MemoryGround, named: str) -> None:
    with pytest.raises(BadInput):
        await shown(ground, named)
