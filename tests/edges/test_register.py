"""`holdfast register …` as it is typed, against a real database: what is printed, where, and the exit codes."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from holdfast.clock import DAY_US, HOUR_US, SECOND_US, rfc3339
from holdfast.domain.commands import AUDIT, FINDING
from holdfast.edges import cli
from holdfast.edges import register_output as show_as
from holdfast.keys.file import FileKeys
from holdfast.parties.advancing import ADVANCED
from holdfast.reading.timeline import Detail
from holdfast.reading.views import EntryRow
from holdfast.register import proof as proofs
from holdfast.runtime.config import without_login
from holdfast.runtime.roles import RoleDsns
from tests.reading.town import PostgresGround, Town, live


class Printed(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Command = Callable[..., Printed]


class Lived(NamedTuple):
    """An installation in which a day was lived, seen from outside."""

    dsns: RoleDsns
    options: tuple[str, ...]
    public_key: bytes

    def spoil(self, statement: str, *arguments: object) -> None:
        asyncio.run(PostgresGround(self.dsns).spoil("acquirer", statement, *arguments))


@pytest.fixture(scope="module")
def lived(postgres: RoleDsns, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return lived_in(postgres, tmp_path_factory.mktemp("installation") / "keys", live)


def lived_in(postgres: RoleDsns, folder: Path, life: Callable[[Town], Awaitable[object]]) -> Lived:
    """An installation whose town has lived so."""
    keys = FileKeys.create(folder)
    passwords = {urlsplit(dsn).username: urlsplit(dsn).password for dsn in postgres}
    (folder / "database-roles.json").write_text(json.dumps(passwords), encoding="utf-8")

    async def live_there() -> None:
        ground = PostgresGround(postgres)
        await ground.empty()
        town = await Town.built(ground, keys=keys)
        await life(town)
        await town.sign_checkpoints()
        await ground.close()

    asyncio.run(live_there())
    options = ("--db", without_login(postgres.acquirer), "--keys", str(folder))
    return Lived(postgres, options, keys.public_key())


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Types `holdfast register WORDS`."""

    def run(*words: str) -> Printed:
        monkeypatch.setattr("sys.argv", ["holdfast", "register", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        told = capsys.readouterr()
        return Printed(code if isinstance(code, int) else 0, told.out, told.err)

    return run


# --- list and show ------------------------------------------------------------------------------------------------


def test_list_prints_each_request_as_json(lived: Lived, typed: Command) -> None:
    printed = typed("list", "--json", *lived.options)
    assert (printed.code, printed.err) == (0, "")
    assert len(printed.lines) == 16
    (completion,) = (row for row in printed.lines if row["entry"] == "A-000011")
    assert {name: completion[name] for name in ("kind", "outcome", "amount", "pre_auth_amount", "original")} == {
        "kind": "completion",
        "outcome": "approved",
        "amount": 46_050,
        "pre_auth_amount": 50_000,
        "original": "A-000005",
    }
    assert re.fullmatch("[0-9a-f]{64}", str(completion["leaf"]))


def test_list_is_a_table_for_people(lived: Lived, typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    printed = typed("list", *lived.options)
    (line,) = (line for line in printed.out.splitlines() if "A-000011" in line)
    assert line.split()[:8] == ["A-000011", "11-18", "19:06", "completion", "approved", "00", "460.50", "…0019"]
    assert max(map(len, printed.out.splitlines())) <= 100
    # Nothing is folded: a row is a line.
    assert len(printed.out.strip().splitlines()) == 18
    shortened = typed("list", *lived.options, "--limit", "2")
    assert "A-000031" in shortened.out
    assert "A-000029" not in shortened.out


def test_list_filters(lived: Lived, typed: Command) -> None:
    for words, entries in (
        (["--date", "2026-12-19", "--limit", "2"], ["A-000032", "A-000031"]),
        (["--terminal", "T0000003", "--kind", "void"], ["A-000014"]),
        (["--merchant", "104290080620003", "--amount", "99.00"], ["A-000029"]),
        (["--card-last4", "0019", "--kind", "pre-authorization"], ["A-000005"]),
        (["--card-last4", "0019", "--kind", "pre-auth"], ["A-000005"]),
        (["--rrn", "A00000000010"], ["A-000011"]),
        (["--auth-code", "none00"], []),
        (["--trace-key", "T0000001/000001/000005/0201"], ["A-000011"]),
        (["--entries", "--trace-key", "T0000001/000001/000005/0200"], ["A-000011", "A-000010"]),
        (["--entries", "--kind", "expiry"], ["A-000026"]),
    ):
        printed = typed("list", "--json", *words, *lived.options)
        assert [row["entry"] for row in printed.lines] == entries, words


def test_an_authorization_code_finds_its_requests(lived: Lived, typed: Command) -> None:
    (completion,) = typed("list", "--rrn", "A00000000010", "--json", *lived.options).lines
    code = str(completion["authorization_code"])
    found = typed("list", "--auth-code", code, "--json", *lived.options).lines
    assert {row["authorization_code"] for row in found} == {code}
    assert {"completion", "pre-authorization"} <= {row["kind"] for row in found}
    refused = typed("show", code, *lived.options)
    assert (refused.code, "`holdfast register list --auth-code CODE`" in refused.err) == (2, True)


def test_a_finding_says_who_must_do_what_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    facts: dict[str, Any] = {
        "phase": "raised",
        "owner": "operations",
        "next_action": "ask the issuer",
        "about": "A-000004",
    }
    facts |= {"due": 1_795_000_000_000_000, "reason": "the issuer refused the advice"}
    row = EntryRow(
        "A-000009", "2026-11-18T19:06:40+08:00", "2026-11-18", "19:06:40", FINDING, "raised",
        None, None, None, None, str(facts["reason"]), "00", facts,
    )  # fmt: skip
    said = show_as.row_json(row)
    assert (said["owner"], said["next_action"]) == ("operations", "ask the issuer")
    assert str(said["due"]).startswith("2026-11-18T19:06:40")
    show_as.print_rows([row], entries=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert all(word in printed for word in ("A-000009", "A-000004", "operations", "11-18 19:06", "next action"))
    assert show_as.fact("due", facts["due"]) == said["due"]


def test_what_is_no_request_is_hinted_at(lived: Lived, typed: Command) -> None:
    printed = typed("list", "--kind", "finding", "--json", *lived.options)
    assert (printed.out, printed.err) == ("", "holdfast: finding is no request but a fact: --entries lists it\n")
    assert typed("list", "--kind", "void", "--json", *lived.options).err == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--amount", "ten"], "amount 'ten' is not money"),
        (["--date", "yesterday"], "date 'yesterday' is not a day, like 2026-11-22 or 1122"),
        (
            ["--kind", "completions"],
            "--kind 'completions' is not one of pre-authorization, increment, moto-pre-authorization",
        ),
        (["--card-last4", "12"], "--card-last4 '12' is not the last four digits of a card"),
        (["--trace-key", "T1"], "trace key 'T1' is not terminal/batch/trace/MTI"),
        (["--db", "mysql://here"], "a database address looks like postgresql://"),
    ],
)
def test_list_refuses_what_cannot_be_asked(lived: Lived, typed: Command, words: list[str], says: str) -> None:
    printed = typed("list", *lived.options, *words)
    assert (printed.code, printed.out) == (2, "")
    assert says in printed.err
    assert printed.err.count("\n") == 1


def test_a_folder_in_which_nothing_runs_is_named_with_the_command(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    for folder in (tmp_path / "data", tmp_path / "nowhere"):
        printed = typed("list", "--data", str(folder))
        assert (printed.code, printed.out) == (4, "")
        assert "`holdfast up --data" in printed.err


def test_a_database_that_is_away_is_named(lived: Lived, typed: Command) -> None:
    printed = typed("verify", "--db", "postgresql://127.0.0.1:1/holdfast", *lived.options[2:])
    assert printed.code == 4
    assert "the database at 127.0.0.1:1/holdfast cannot be reached" in printed.err


def test_show_tells_an_entry_with_its_request(lived: Lived, typed: Command) -> None:
    printed = typed("show", "A-000009", "--json", *lived.options)
    (said,) = printed.lines
    assert (said["entry"], said["outcome"], said["response_code"]) == ("A-000009", "declined", "25")
    assert said["reason"] == "nearest hold A-000004: date is 1118, not 0101"
    assert said["candidates"] == [
        {"hold": "A-000004", "differs": [{"what": "date", "given": "0101", "registered": "1118"}]}
    ]
    printed = typed("show", "A00000000010", *lived.options)
    assert printed.code == 0
    for told in ("A-000011", "completion", "approved 00, shown as A-000011", "东湖宾馆", "A-000004", "leaf"):
        assert told in printed.out


def test_show_reads_money_with_its_point_and_a_hold_in_words(lived: Lived, typed: Command) -> None:
    assert re.search(r"^amount +460\.50 *$", typed("show", "A-000010", *lived.options).out, re.MULTILINE)
    printed = typed("show", "A-000005", *lived.options)
    said = " ".join(printed.out.split())
    assert re.search(r"hold A-000004 version 1, place 500\.00, code \d{6}, on 2026-11-18, expires 2026-12-18", said)
    completed = typed("show", "A-000011", *lived.options).out
    assert re.search(r"^batch +T0000001/000001 version 1, counts as debit 460\.50 *$", completed, re.MULTILINE)
    assert (
        "Hold A-000004 is completed: asked for 500.00, completed 460.50\n  place 500.00 by A-000004, code" in completed
    )
    assert "A-000004 version 2, complete 460.50" in typed("show", "A-000011", *lived.options).out
    assert "{'" not in printed.out


def test_show_of_what_is_not_there_is_a_no(lived: Lived, typed: Command) -> None:
    printed = typed("show", "A-000099", *lived.options)
    assert (printed.code, printed.out, printed.err) == (1, "", "holdfast: A-000099 is not in the register\n")
    assert typed("show", "something", *lived.options).code == 2


# --- proofs -------------------------------------------------------------------------------------------------------


def test_a_proof_is_printed_and_checks_without_a_database(lived: Lived, typed: Command, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    for named in ("A-000011", "A00000000010", "T0000001/000001/000005/0200"):
        file.write_text(typed("proof", named, *lived.options).out, encoding="utf-8")
        checked = typed("check-proof", str(file))
        assert checked.code == 0
        assert checked.out.startswith("entry A-000011 is in the register of 32 entries signed at ")
        assert checked.out.endswith("; consistent, signer not pinned\n")
    pinned = typed("check-proof", str(file), "--key", lived.public_key.hex(), "--json")
    assert (pinned.code, pinned.lines[0]["ok"], pinned.lines[0]["signer_pinned"]) == (0, True, True)
    other = typed("check-proof", str(file), "--key", bytes(32).hex())
    assert (other.code, other.out) == (1, "the proof is signed with another key than the pinned one\n")
    assert typed("proof", "A-000099", *lived.options).code == 1


def test_every_change_of_a_proof_is_seen(lived: Lived, typed: Command, tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    proof = json.loads(typed("proof", "A-000011", *lived.options).out)
    for name, value in proof.items():
        file.write_text(proofs.dumps({**proof, name: changed(value)}), encoding="utf-8")
        checked = typed("check-proof", str(file))
        assert checked.code == 1, name
        assert checked.out.count("\n") == 1
    for raw in (b"", b"{}", b"\xff\xfe", proofs.dumps(proof).replace("\n", "\r\n").encode()):
        file.write_bytes(raw)
        assert typed("check-proof", str(file)).code == 1
    assert typed("check-proof", str(tmp_path / "none.json")).code == 2
    assert typed("check-proof", str(file), "--key", "12").code == 2
    assert typed("check-proof", str(file), "--key", "zz").code == 2


def changed(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case int():
            return value + 1
        case str():
            return value[:-2] + ("0" if value[-2] != "0" else "1") + value[-1]
        case list():
            return value[1:]
    return {**value, "amount": 1}


def test_checkpoints_and_what_lies_between_them(lived: Lived, typed: Command, tmp_path: Path) -> None:
    early, late = tmp_path / "early.txt", tmp_path / "late.txt"
    late.write_text(typed("checkpoint", *lived.options).out, encoding="utf-8")
    (said,) = typed("checkpoint", "--json", *lived.options).lines
    assert (said["log"], said["size"], said["signed"]) == ("A", 32, late.read_text(encoding="utf-8"))
    proof = typed("consistency", "14", str(late), *lived.options)
    assert proof.code == 0
    early.write_text(proof.out, encoding="utf-8")
    checked = typed("check-proof", str(early))
    assert checked.out == "log A of 32 entries extends the one of 14 without a change; consistent, signer not pinned\n"
    none = typed("consistency", "15", "32", *lived.options)
    assert none.code == 1
    assert "no checkpoint of log A was signed at 15 entries" in none.err
    assert typed("consistency", "32", "14", *lived.options).code == 1
    assert typed("consistency", str(tmp_path / "none"), "14", *lived.options).code == 2


# --- verify -------------------------------------------------------------------------------------------------------


def test_verify_says_ok_and_then_names_what_was_changed(lived: Lived, typed: Command) -> None:
    printed = typed("verify", "--json", *lived.options)
    (said,) = printed.lines
    assert (printed.code, said["ok"], said["entries"], said["problems"]) == (0, True, 73, [])
    logs = said["logs"]
    assert isinstance(logs, list)
    assert [(log["log"], log["size"]) for log in logs] == [("A", 32), ("I", 41)]
    assert typed("verify", *lived.options).out.rstrip().endswith("every row follows from them")

    lived.spoil("UPDATE entries SET leaf = sha256(leaf) WHERE number = 11")
    printed = typed("verify", "--json", *lived.options)
    assert (printed.code, printed.lines[0]["ok"]) == (1, False)
    assert printed.lines[0]["problems"] == ["A-000011: bytes changed: leaf does not match"]
    printed = typed("verify", *lived.options)
    assert printed.code == 1
    assert "A-000011: bytes changed: leaf does not match" in printed.out
    broken = typed("proof", "A-000010", *lived.options)
    assert broken.code == 1
    assert broken.err.endswith("see `holdfast register verify`\n")


def test_verify_of_an_installation_with_other_keys_fails(lived: Lived, typed: Command, tmp_path: Path) -> None:
    FileKeys.create(tmp_path / "keys")
    roles = Path(lived.options[3], "database-roles.json").read_text(encoding="utf-8")
    (tmp_path / "keys" / "database-roles.json").write_text(roles, encoding="utf-8")
    printed = typed("verify", "--json", *lived.options[:2], "--keys", str(tmp_path / "keys"))
    assert printed.code == 1
    assert "does not hold for the key" in str(printed.lines[0]["problems"])


def test_an_advance_of_the_clock_is_told_in_times_and_a_span(capsys: pytest.CaptureFixture[str]) -> None:
    from_us = 1_798_088_878 * SECOND_US
    to_us = from_us + 31 * DAY_US + HOUR_US
    said = {"phase": ADVANCED, "actor": "operator", "advance": "x", "machine": from_us, "from": from_us, "to": to_us}
    nothing = (None,) * 5
    row = EntryRow("A-000009", rfc3339(to_us), "2026-12-24", "12:00:00", AUDIT, ADVANCED, *nothing, "00" * 32, said)
    show_as.print_rows([row], entries=True)
    assert f"{ADVANCED} by 31d1h" in capsys.readouterr().out
    show_as.print_detail(Detail(row, None, None, [], [], True))
    told = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert told["advanced"] == ["by", "31d1h"]
    assert (told["from"], told["to"], told["machine"]) == ([rfc3339(from_us)], [rfc3339(to_us)], [rfc3339(from_us)])
