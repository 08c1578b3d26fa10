"""`register retire` on a real installation: five years later, by the clock of whoever gives the command."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import orjson
import pytest

from holdfast.clock import DAY_US
from holdfast.edges import cli, retiring
from holdfast.reading.retention import YEAR_DAYS
from holdfast.runtime.config import ACQUIRER, notice_of, role_dsns
from holdfast.runtime.datafolder import DataFolder
from tests.system.installation import Installation
from tests.system.till import Till

Retire = Callable[..., tuple[int, str, str]]


@pytest.fixture
def installation(make_installation: Callable[..., Installation]) -> Installation:
    """One with cards of its own."""
    made = make_installation("--sample")
    made.start()
    made.import_own()
    return made


@pytest.fixture
def retire_later(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Retire:
    """`register retire WORDS` when the five years are over: exit code, output, complaint."""
    now_us = retiring.now_us
    monkeypatch.setattr(retiring, "now_us", lambda folder: now_us(folder) + 5 * YEAR_DAYS * DAY_US)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["holdfast", "register", "retire", "--data", str(installation.data), *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


async def vault_of(installation: Installation) -> int:
    """How many card numbers the acquirer keeps."""
    notice = notice_of(DataFolder(installation.data, create=False))
    connection = await asyncpg.connect(role_dsns(notice.database, Path(notice.keys)).acquirer)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {ACQUIRER}.cards"))
    finally:
        await connection.close()


def test_card_numbers_go_and_the_register_stays(
    installation: Installation, retire_later: Retire, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, held, poor = (installation.new_card() for _ in range(3))
    with Till.signed_on(installation) as till:
        placed = till.asks(till.pre_auth(done, 500_00))
        assert till.code(till.complete(done, 460_50, placed.get(38), placed.get(13))) == "00"
        assert till.code(till.pre_auth(held, 100_00)) == "00"
        assert till.code(till.pre_auth(poor, 99_999_99)) == "51"
        now = installation.run("register", "retire", "--json").json
        assert now == {"cards": 3, "shredded": 0, "dry_run": False}
        rows = installation.register()
        assert retire_later("--dry-run")[:2] == (
            0,
            "2 card numbers would be shredded; the register names 3 cards\n",
        )
        assert asyncio.run(vault_of(installation)) == 3
        assert orjson.loads(retire_later("--json")[1]) == {"cards": 3, "shredded": 2, "dry_run": False}
        assert asyncio.run(vault_of(installation)) == 1
        assert orjson.loads(retire_later("--json")[1]) == {"cards": 3, "shredded": 0, "dry_run": False}
        assert installation.register() == rows
        assert installation.run("register", "verify", "--json").json["ok"] is True
        (audit,) = [row for row in installation.register("--entries", "--kind", "audit") if "retired" in str(row)]
        assert installation.run("register", "proof", audit["entry"]).json
        entry = next(row["entry"] for row in rows if row["kind"] == "completion")
        assert installation.run("register", "show", entry, "--json").json
        again = till.asks(till.pre_auth(done, 1_00))
        assert again.get(39) == "00", "a card that comes back is a new one"
        assert till.code(till.complete(done, 1_00, again.get(38), again.get(13))) == "00"
    monkeypatch.setattr(retiring, "TRIES_MAX", 0)
    code, out, complaint = retire_later()
    assert (code, out, complaint.count("\n")) == (4, "", 1)
    assert "give the same command again in a quieter hour" in complaint
    installation.stop()
    code, out, complaint = retire_later()
    assert (code, out, complaint.count("\n")) == (4, "", 1)
    assert "start it with `holdfast up" in complaint
