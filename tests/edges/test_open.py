"""What is open, as `register list --open`, `register batches`, `register show`, `status` and `open` tell it."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from holdfast.clock import HOUR_US, MINUTE_US, SECOND_US
from holdfast.domain.records import TERMINAL_TABLES
from holdfast.edges import cli
from holdfast.edges.opened import print_open, span
from holdfast.edges.status import print_status, process_status, recorded
from holdfast.reading.in_doubt import Open
from holdfast.runtime.config import door_of
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.roles import RoleDsns
from holdfast.store.sqlite import SqliteStore
from tests.edges.test_register import Command, Lived, Printed, lived_in, typed
from tests.reading.town import Town
from tests.reading.trade import leave_open, trade

__all__ = ["typed"]

IN_JANUARY_US = 1_800_000_000 * SECOND_US
"""When the town has long been left."""

OPEN_FIELDS = {
    "party",
    "what",
    "in_doubt",
    "terminal_id",
    "trace_key",
    "entry",
    "kind",
    "amount",
    "currency",
    "card",
    "since",
    "age_s",
    "owner",
    "next_action",
    "due",
    "overdue",
    "attempts",
    "reason",
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types `holdfast open WORDS`."""

    def run(*words: str) -> Printed:
        monkeypatch.setattr("sys.argv", ["holdfast", "open", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Printed(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def traded(postgres: RoleDsns, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """An installation that has lived through everything."""

    async def life(town: Town) -> None:
        await trade(town)
        await leave_open(town)

    return lived_in(postgres, tmp_path_factory.mktemp("traded") / "keys", life)


def test_what_is_open_is_listed(traded: Lived, typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = typed("list", "--open", "--json", *traded.options).lines
    assert [(row["kind"], row["hold_state"], row["waits_for"]) for row in rows] == [
        ("refund", "completed", "tell"),
        ("completion-advice", "completed", "tell"),
        ("completion", "completed", "release"),
        ("pre-authorization", "held", "expire"),
        ("completion", "expired", "release"),
    ]
    monkeypatch.setenv("COLUMNS", "100")
    printed = typed("list", "--open", *traded.options)
    (head, _, *lines) = printed.out.strip().splitlines()
    assert head.split()[-2:] == ["waits", "for"]
    assert [line.split()[-2:] for line in lines] == [
        ["completed", "tell"],
        ["completed", "tell"],
        ["completed", "release"],
        ["held", "expire"],
        ["expired", "release"],
    ]
    assert "nothing is open that fits" in typed("list", "--open", "--terminal", "T0000003", *traded.options).out
    both = typed("list", "--open", "--entries", *traded.options)
    assert (both.code, both.err.count("\n")) == (2, 1)


@pytest.mark.parametrize("columns", [80, 100])
def test_every_kind_is_a_line_of_the_table(
    traded: Lived, typed: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr("holdfast.edges.output.PIPE_COLUMNS", columns)
    for words in ([], ["--entries"]) if columns == 100 else ([],):
        printed = typed("list", "--limit", "500", *words, *traded.options)
        (_, _, *lines) = printed.out.strip().splitlines()
        rows = typed("list", "--json", *words, *traded.options).lines
        assert [line.split()[0] for line in lines] == [row["entry"] for row in rows], "a row is a line"
        assert max(map(len, lines)) <= columns


def test_batches_show_both_totals_and_what_was_carried_over(traded: Lived, typed: Command) -> None:
    rows = {str(row["batch"]): row for row in typed("batches", "--json", *traded.options).lines}
    assert {batch: row["state"] for batch, row in rows.items()} == {
        "T0000001/000001": "balanced",
        "T0000001/000002": "open",
        "T0000002/000001": "not balanced",
        "T0000005/000001": "balanced",
        "T0000006/000001": "open",
    }
    late = rows["T0000001/000001"]
    assert late["carried_over"] == {
        "domestic": {"debit_amount": 21_000, "debit_count": 1, "credit_amount": 0, "credit_count": 0},
        "foreign": {"debit_amount": 0, "debit_count": 0, "credit_amount": 0, "credit_count": 0},
    }
    (one,) = typed("batches", "--json", "--terminal", "T0000005", *traded.options).lines
    assert one["ours"] == one["told"] == one["settled_as"]
    printed = typed("batches", *traded.options)
    assert printed.code == 0
    assert "not balanced" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 100
    shortened = typed("batches", "--limit", "1", *traded.options)
    assert "There are more than these 1" in shortened.out
    assert typed("batches", "--terminal", "T9", *traded.options).out == "no batch is registered that fits\n"


def test_a_settlement_is_shown_with_its_upload_its_claims_and_findings(traded: Lived, typed: Command) -> None:
    bar = "T0000002/000001"
    (said,) = typed("show", f"{bar}/000012/0500", "--json", *traded.options).lines
    timeline = said["timeline"]
    assert isinstance(timeline, list)
    told = [f"{row['kind']} {row['trace_key']}" for row in timeline]
    assert {f"batch-upload {bar}/000013/0320", f"claim {bar}/999999/0330", f"finding {bar}/999999/0330"} <= set(told)
    assert not any(line.startswith("completion ") for line in told), "what counts in the batch is its own story"


def test_status_counts_what_somebody_must_see_to(traded: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    found = asyncio.run(recorded(traded.dsns))
    assert found["in_doubt"] == 2, "an advice and a refund that nobody has answered"
    assert found["undelivered"] == {"advices": 1, "releases": 2}
    assert found["open"]["acquirer"] == {"expire": 1, "release": 2, "tell": 2}
    assert found["holds"]["acquirer"]["held"] == 1
    # The issuer was not told yet: what we took for completed still stands there.
    assert found["holds"]["issuer"]["held"] == 3
    assert found["findings"] >= 4
    assert found["batches"] == {"open": 2, "oldest": "2026-11-18T19:06:40.130000+08:00"}
    print_status({"running": None, **found})
    told = capsys.readouterr().out
    assert "in doubt: 2, see `holdfast open`\n" in told
    assert "not acknowledged yet: 1 advices, 2 releases\n" in told
    assert "batches not settled: 2, the oldest since 2026-11-18T19:06:40" in told


async def test_a_process_that_stands_still_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.edges.status.STATUS_TIMEOUT_S", 0.1)
    folder = DataFolder(tmp_path / "data")
    assert await process_status(folder, "acquirer-1") == {"process": "acquirer-1", "says": "does not answer"}
    with socket.socket(socket.AF_UNIX) as standing:
        standing.bind(str(door_of(folder, "acquirer-1")))
        standing.listen()
        assert str((await process_status(folder, "acquirer-1"))["says"]).startswith("silent for")


def test_verify_adds_everything_up(traded: Lived, typed: Command) -> None:
    printed = typed("verify", "--json", *traded.options)
    assert (printed.code, json.loads(printed.out)["problems"]) == (0, [])


def test_open_tells_all_that_status_counts_and_who_does_what_when(
    traded: Lived, opened: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.edges.opened.business_time_us", lambda data: IN_JANUARY_US)
    printed = opened("--json", *traded.options)
    assert printed.code == 1, "something is open"
    assert [(row["what"], row["kind"], row["in_doubt"]) for row in printed.lines if row["what"] != "finding"] == [
        ("release", "completion", False),
        ("release", "completion", False),
        ("advice", "completion-advice", True),
        ("refund", "refund", True),
    ]
    found = asyncio.run(recorded(traded.dsns))
    assert sum(bool(row["in_doubt"]) for row in printed.lines) == found["in_doubt"]
    assert sum(row["what"] == "finding" for row in printed.lines) == found["findings"]
    (advice,) = [row for row in printed.lines if row["what"] == "advice"]
    assert advice.keys() == OPEN_FIELDS
    assert (advice["party"], advice["owner"], advice["amount"], advice["attempts"]) == (
        "acquirer",
        "acquirer",
        8_000,
        1,
    )
    assert str(advice["since"]) < str(advice["due"])
    assert advice["overdue"] is True, "nobody serves this town any more"
    finding = next(row for row in printed.lines if row["what"] == "finding")
    assert (finding["owner"], finding["in_doubt"]) == ("operations", False)
    assert finding["entry"]
    assert finding["due"]
    times = [row["since"] for row in printed.lines]
    assert times == sorted(times, key=str)
    monkeypatch.setenv("COLUMNS", "100")
    table = opened(*traded.options)
    assert (table.code, table.err) == (1, "")
    assert max(map(len, table.out.splitlines())) <= 100
    for word in ("剩余解冻", "通知", "退货", "差错", "overdue", "operations", "T0000001/000002/"):
        assert word in table.out
    assert f"2 in doubt at the acquirer, 0 at terminals; 2 to be released on the day; {found['findings']}" in table.out


def test_open_shows_what_it_can_and_says_whom_it_could_not_ask(traded: Lived, opened: Command, tmp_path: Path) -> None:
    nobody = opened("--data", str(tmp_path / "none"))
    assert (nobody.code, nobody.err.count("\n")) == (4, 1)
    assert "holdfast up" in nobody.err
    no_terminals = opened("--terminals", str(tmp_path))
    assert (no_terminals.code, no_terminals.err.count("\n")) == (4, 1)
    folder = tmp_path / "terminals"
    folder.mkdir()
    asyncio.run(an_idle_terminal(folder / "T0000009.sqlite"))
    idle = opened("--terminals", str(tmp_path))
    assert (idle.code, idle.out, idle.err) == (0, "nothing is in doubt, and nothing is owed\n", "")
    (folder / "T0000009.damaged-20261122-213405.sqlite").write_bytes(b"kept" * 400)
    (folder / "T0000010.sqlite").write_bytes(b"no database at all" * 400)
    spoilt = opened("--terminals", str(tmp_path))
    assert (spoilt.code, spoilt.out) == (4, ""), "nobody knows"
    assert "T0000010.sqlite is damaged" in spoilt.err
    both = opened("--terminals", str(tmp_path), *traded.options)
    assert (both.code, "退货" in both.out, "damaged" in both.err) == (1, True, True)


async def an_idle_terminal(path: Path) -> None:
    """The file of a terminal that was never loaded."""
    await SqliteStore(path, TERMINAL_TABLES).close()


@pytest.mark.parametrize("columns", [80, 100])
def test_a_trace_key_is_not_broken_however_much_there_is_to_say(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("holdfast.edges.output.PIPE_COLUMNS", columns)
    key, terminal = "T0000001/000001/000123/0100", ("terminal", "reversal", True, "T0000001")
    sale = ("moto-pre-authorization", 123_456_00, "156", "6200…0005")
    next_action = "the terminal signs on; then the reversal is repeated until the acquirer acknowledges it"
    waits = Open(*terminal, key, None, *sale, 0, "terminal T0000001", next_action, SECOND_US, 7, "no answer")
    why = "the issuer refuses the reversal of a pre-authorization again and again, whatever it is told"
    found = ("acquirer", "finding", False, "T0000001", key, "A-000123", None, None, None, None)
    finding = Open(*found, 0, "operations", "ask the issuer what it booked", SECOND_US, 0, why)
    print_open([waits, finding], 3 * SECOND_US)
    printed = capsys.readouterr().out
    assert printed.count(f" {key} ") == 2
    assert max(map(len, printed.splitlines())) <= columns
    assert "whatever it" in printed


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (-5, "0 s"),
        (89_999_999, "89 s"),
        (90 * SECOND_US, "1 min"),
        (89 * MINUTE_US, "89 min"),
        (90 * MINUTE_US, "1 h"),
        (47 * HOUR_US, "47 h"),
        (48 * HOUR_US, "2 d"),
    ],
)
def test_a_length_of_time_in_plain_words(us: int, words: str) -> None:
    assert span(us) == words
