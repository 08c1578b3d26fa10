"""What is open, as `register list --open`, `register batches`, `register show` and `status` tell it."""

import asyncio
import json

import pytest

from holdfast.edges.status import print_status, recorded
from holdfast.runtime.roles import RoleDsns
from tests.edges.test_register import Command, Lived, lived_in, typed
from tests.reading.town import Town
from tests.reading.trade import leave_open, trade

__all__ = ["typed"]


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
    assert found["in_doubt"] == 1, "the refund that nobody has answered"
    assert found["undelivered"] == {"advices": 1, "releases": 2}
    assert found["open"]["acquirer"] == {"expire": 1, "release": 2, "tell": 2}
    assert found["holds"]["acquirer"]["held"] == 1
    # The issuer was not told yet: what we took for completed still stands there.
    assert found["holds"]["issuer"]["held"] == 3
    assert found["findings"] >= 4
    assert found["batches"] == {"open": 2, "oldest": "2026-11-18T19:06:40.130000+08:00"}
    print_status({"running": None, **found})
    told = capsys.readouterr().out
    assert "in doubt: 1\n" in told
    assert "not acknowledged yet: 1 advices, 2 releases\n" in told
    assert "batches not settled: 2, the oldest since 2026-11-18T19:06:40" in told


def test_verify_adds_everything_up(traded: Lived, typed: Command) -> None:
    printed = typed("verify", "--json", *traded.options)
    assert (printed.code, json.loads(printed.out)["problems"]) == (0, [])
