"""Business time: appointments in a folder's file, and clocks that keep them."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import DAY_US, HOUR_US, SECOND_US
from holdfast.edges.clock import parse_span
from holdfast.errors import BadInput, Unreachable
from holdfast.runtime import business_clock
from holdfast.runtime.business_clock import (
    NOTICE_US,
    SET_BACK_US_MAX,
    BusinessClock,
    appoint,
    follow,
    followed_by,
    is_sandbox,
    machine_us,
    recall,
    refuse_clock_file,
    refuse_time_before,
    spelled,
)
from holdfast.runtime.clock_file import CLOCK_FILE, Advance
from holdfast.runtime.datafolder import INSTALLATION_FILE, installation_in

Set = Callable[[int], None]


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """The folder of a sandbox."""
    recall(tmp_path, ())
    return tmp_path


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the clock of the machine, and has every look at the file be due."""
    monkeypatch.setattr(business_clock, "LOOK_EVERY_S", 0.0)

    def to(at_us: int) -> None:
        monkeypatch.setattr(business_clock, "machine_us", lambda: at_us)

    to(1_000 * DAY_US)
    return to


def test_without_a_file_it_is_the_clock_of_the_machine(tmp_path: Path) -> None:
    before_us = machine_us()
    clock = BusinessClock(tmp_path)
    assert before_us <= clock.now_us() <= machine_us()
    assert (clock.ahead_us, clock.newest, clock.leaps()) == (0, "", 0)
    assert not is_sandbox(tmp_path)
    with pytest.raises(BadInput, match="no sandbox"):
        appoint(tmp_path, DAY_US, "x", "operator")
    assert not list(tmp_path.iterdir())


def test_an_advance_takes_place_at_its_instant_for_everybody(sandbox: Path, machine: Set) -> None:
    early, now_us = BusinessClock(sandbox), 1_000 * DAY_US
    made = appoint(sandbox, 30 * DAY_US, "a", "operator")
    late = BusinessClock(sandbox)
    assert (made.machine_us, made.from_us, made.to_us) == (now_us + NOTICE_US, now_us + NOTICE_US, made.to_us)
    for clock in (early, late):
        assert clock.now_us() == now_us
        assert clock.advances == (made,)
    machine(made.machine_us - 1)
    assert [clock.now_us() for clock in (early, late)] == [made.machine_us - 1] * 2
    machine(made.machine_us)
    assert [clock.now_us() for clock in (early, late, BusinessClock(sandbox))] == [made.to_us] * 3
    assert (early.ahead_us, early.newest, early.leaps()) == (30 * DAY_US, "a", 1)
    machine(made.machine_us - HOUR_US)
    assert early.now_us() == made.to_us - HOUR_US, "a machine whose clock is set back takes no advance back"


def test_advances_add_up_and_an_id_is_one_advance(sandbox: Path, machine: Set) -> None:
    first = appoint(sandbox, DAY_US, "a", "operator")
    second = appoint(sandbox, HOUR_US, "b", "operator")
    assert second.machine_us > first.machine_us
    assert second.from_us == second.machine_us + DAY_US
    assert appoint(sandbox, DAY_US, "a", "another") == first
    with pytest.raises(BadInput, match="given to another advance, of 1d"):
        appoint(sandbox, HOUR_US, "a", "operator")
    machine(second.machine_us)
    assert BusinessClock(sandbox).ahead_us == DAY_US + HOUR_US


def test_the_file_is_private_and_there_is_a_limit(sandbox: Path, machine: Set) -> None:
    for number in range(10):
        appoint(sandbox, 366 * DAY_US, f"year-{number}", "operator")
    with pytest.raises(BadInput, match="3661d ahead, at most 3660d"):
        appoint(sandbox, DAY_US, "more", "operator")
    assert stat.S_IMODE((sandbox / CLOCK_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in sandbox.iterdir()) == [CLOCK_FILE, f"{CLOCK_FILE}.lock", INSTALLATION_FILE]


def test_a_folder_goes_on_by_what_its_logs_tell(sandbox: Path, machine: Set) -> None:
    told = Advance("old", "operator", 900 * DAY_US, 900 * DAY_US, 905 * DAY_US)
    recall(sandbox, [told])
    recall(sandbox, [told])
    own = appoint(sandbox, DAY_US, "own", "operator")
    machine(own.machine_us)
    assert [advance.id for advance in BusinessClock(sandbox).advances] == ["old", "own"]
    assert BusinessClock(sandbox).ahead_us == 6 * DAY_US


def test_terminals_in_a_folder_of_their_own_follow(sandbox: Path, machine: Set) -> None:
    terminals = sandbox / "terminals"
    terminals.mkdir()
    working = BusinessClock(terminals)
    working.now_us()
    follow(terminals, sandbox)
    follow(terminals, sandbox)
    made = appoint(sandbox, DAY_US, "a", "operator")
    machine(made.machine_us)
    assert [working.ahead_us, BusinessClock(terminals).ahead_us] == [DAY_US] * 2
    assert not is_sandbox(terminals)
    with pytest.raises(BadInput, match=f"follow the clock of {sandbox}"):
        appoint(terminals, DAY_US, "b", "operator")
    follow(sandbox, sandbox)
    assert is_sandbox(sandbox)
    other = sandbox / "other"
    other.mkdir()
    recall(other, ())
    with pytest.raises(BadInput, match="a clock of its own"):
        follow(other, sandbox)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"advances": [{"id": 1}]}', b'{"advances": 3}'])
def test_a_damaged_file_never_turns_time_back(sandbox: Path, machine: Set, damage: bytes) -> None:
    made = appoint(sandbox, DAY_US, "a", "operator")
    machine(made.machine_us)
    working = BusinessClock(sandbox)
    (sandbox / CLOCK_FILE).write_bytes(damage)
    assert working.ahead_us == DAY_US
    with pytest.raises(Unreachable, match="cannot be understood"):
        BusinessClock(sandbox)
    (sandbox / CLOCK_FILE).write_bytes(orjson.dumps({"advances": []}))
    assert working.ahead_us == DAY_US


def test_a_damaged_file_is_told_whichever_it_is(sandbox: Path, machine: Set) -> None:
    whole = appoint(sandbox, DAY_US, "a", "operator")._asdict()
    changes: list[dict[str, object]] = [
        {"machine_us": "a"},
        {"machine_us": True},
        {"machine_us": 10**30, "from_us": 10**30, "to_us": 10**30 + DAY_US},
        {"to_us": -1},
        {"to_us": 10**30},
        {"to_us": 10**18},
        {"to_us": whole["from_us"]},
        {"from_us": whole["machine_us"] - 1},
        {"from_us": 1.5},
        {"id": "a b"},
        {"id": 7},
        {"actor": None},
        {"more": 1},
    ]
    rows = [[whole | change] for change in changes] + [[whole, whole], [whole, {**whole, "id": "b", "machine_us": 0}]]
    values: list[object] = [{"advances": each} for each in rows]
    elsewhere = str(sandbox / "elsewhere" / CLOCK_FILE)
    places: list[object] = [5, None, [], "", "x", "/a\0b", str(sandbox / CLOCK_FILE)]
    values += [{"follows": each} for each in places]
    values += [{"follows": elsewhere, "advances": []}]
    for value in values:
        (sandbox / CLOCK_FILE).write_text(json.dumps(value))
        for reads in (BusinessClock, is_sandbox, followed_by, lambda folder: appoint(folder, DAY_US, "x", "operator")):
            with pytest.raises(Unreachable, match=rf"^{sandbox / CLOCK_FILE} cannot be understood: remove it; .*$"):
                reads(sandbox)


def test_an_installation_goes_by_its_own_file_alone(sandbox: Path, tmp_path: Path, machine: Set) -> None:
    made = appoint(sandbox, DAY_US, "a", "operator")
    machine(made.machine_us)
    wall = tmp_path / "wall"
    wall.mkdir()
    installation_in(wall)
    running = BusinessClock(wall)
    with pytest.raises(BadInput, match="an installation with a clock of its own"):
        follow(wall, sandbox)
    assert not (wall / CLOCK_FILE).exists()
    refuse_clock_file(wall)
    copied = (sandbox / CLOCK_FILE).read_bytes()
    for written in (copied, b'{"advances": []}', orjson.dumps({"follows": str(sandbox / CLOCK_FILE)})):
        (wall / CLOCK_FILE).write_bytes(written)
        assert [running.ahead_us, BusinessClock(wall).ahead_us] == [0, 0]
        assert (is_sandbox(wall), followed_by(wall)) == (False, None)
        with pytest.raises(BadInput, match="no sandbox"):
            appoint(wall, DAY_US, "x", "operator")
        with pytest.raises(BadInput, match=f"no sandbox.*remove {wall / CLOCK_FILE}"):
            refuse_clock_file(wall)


def test_a_terminal_whose_sandbox_is_gone_does_not_go_back_to_today(
    sandbox: Path, tmp_path: Path, machine: Set
) -> None:
    made = appoint(sandbox, DAY_US, "a", "operator")
    machine(made.machine_us)
    terminals, others = tmp_path / "terminals", tmp_path / "others"
    for folder in (terminals, others):
        folder.mkdir()
    follow(terminals, sandbox)
    follow(others, terminals)
    with pytest.raises(Unreachable, match=f"the terminals in {others} follow"):
        BusinessClock(others)
    working = BusinessClock(terminals)
    (sandbox / CLOCK_FILE).unlink()
    assert working.ahead_us == DAY_US
    with pytest.raises(Unreachable, match=f"{sandbox / CLOCK_FILE} is missing .* remove {terminals / CLOCK_FILE}"):
        BusinessClock(terminals)
    follow(terminals, others)
    follow(others, terminals)
    with pytest.raises(Unreachable, match="is missing or not a sandbox's"):
        BusinessClock(terminals)


def test_nobody_goes_on_before_what_was_recorded() -> None:
    now_us = 1_000 * DAY_US
    refuse_time_before(now_us, now_us + SET_BACK_US_MAX, "log A", "mend it")
    with pytest.raises(Unreachable, match=r"newest entry of log A is of .*time never goes back; mend it"):
        refuse_time_before(now_us, now_us + SET_BACK_US_MAX + 1, "log A", "mend it")


def test_it_looks_at_the_file_some_times_a_second(sandbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    signature = business_clock._signature

    def watched(path: Path) -> tuple[int, ...]:
        looked.append(path)
        return signature(path)

    monkeypatch.setattr(business_clock, "_signature", watched)
    clock, until_s = BusinessClock(sandbox), time.monotonic() + 2.2 * business_clock.LOOK_EVERY_S
    while time.monotonic() < until_s:
        clock.now_us()
    assert len(looked) == 3


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1d-2h", "1h1d", "1.5d", "1d 2h", "1w", "0d", "0s", "367d", "٣d"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="span"):
        parse_span(text)


@given(st.integers(1, 366 * 86_400))
def test_a_span_reads_as_it_is_written(seconds: int) -> None:
    assert parse_span(spelled(seconds * SECOND_US)) == seconds * SECOND_US
