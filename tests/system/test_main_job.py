"""The story of a stay at the hotel, as a cashier and an operator type it; every field and exit code is a contract."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from holdfast.edges import sample
from holdfast.register.proof import check
from tests.system.installation import HOTEL, Installation, holdfast

TERMINAL = "T0000001"
CARD = "alice"
MASKED = "622000******0019"

ANSWER_FIELDS = {
    "outcome",
    "response_code",
    "kind",
    "amount",
    "currency",
    "card",
    "trace_key",
    "rrn",
    "authorization_code",
    "register_entry",
    "receipt",
}
ROW_FIELDS = {
    "entry",
    "at",
    "date",
    "time",
    "kind",
    "outcome",
    "response_code",
    "merchant_id",
    "merchant_name",
    "terminal_id",
    "operator",
    "card",
    "issuer",
    "amount",
    "currency",
    "pre_auth_amount",
    "trace_key",
    "rrn",
    "authorization_code",
    "original",
    "reason",
    "leaf",
    "asked_entry",
    "business_date",
    "batch",
    "scheme",
    "hold",
    "hold_state",
    "completed_amount",
    "refunded_amount",
    "rest",
    "waits_for",
}

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def stay(shared: Installation) -> dict[str, Answer]:
    """The commands of the story, in order; each with its exit code."""

    def says(*words: object, expect: int) -> Answer:
        answer: Answer = shared.terminal(TERMINAL, *words, expect=expect).json
        return answer

    told: dict[str, Answer] = {}
    told["placed"] = says("pre-auth", "--amount", "500.00", "--card", CARD, expect=0)
    linked = ("--original", told["placed"]["authorization_code"], "--card", CARD)
    told["too much"] = says("complete", *linked, "--amount", "575.01", expect=1)
    told["completed"] = says("complete", *linked, "--amount", "460.50", expect=0)
    told["repeated"] = says("--repeat", told["completed"]["trace_key"], expect=0)
    told["completed again"] = says("complete", *linked, "--amount", "460.50", expect=1)
    told["second"] = says("pre-auth", "--amount", "300.00", "--card", CARD, expect=0)
    linked = ("--original", told["second"]["authorization_code"], "--card", CARD)
    told["voided"] = says("void", *linked, "--supervisor", "00", expect=0)
    return told


@pytest.fixture(scope="module")
def rows(shared: Installation, stay: dict[str, Answer]) -> dict[str, dict[str, Any]]:
    """The register's rows of this terminal, by trace key."""
    return {row["trace_key"]: row for row in shared.register("--terminal", TERMINAL)}


def test_each_step_of_the_story_gets_its_answer(stay: dict[str, Answer]) -> None:
    codes = {name: (answer["outcome"], answer["response_code"]) for name, answer in stay.items()}
    assert codes == {
        "placed": ("approved", "00"),
        "too much": ("declined", "64"),
        "completed": ("approved", "00"),
        "repeated": ("approved", "00"),
        "completed again": ("declined", "22"),
        "second": ("approved", "00"),
        "voided": ("approved", "00"),
    }


def test_an_answer_has_every_field(stay: dict[str, Answer]) -> None:
    placed = stay["placed"]
    assert placed.keys() >= ANSWER_FIELDS
    assert (placed["kind"], placed["amount"], placed["currency"]) == ("pre-authorization", 50000, "156")
    assert placed["card"] == MASKED
    assert re.fullmatch(r"T0000001/[0-9]{6}/[0-9]{6}/0100", placed["trace_key"])
    assert re.fullmatch(r"[A-HK-Z]-[0-9]{6,}", placed["register_entry"])
    assert re.fullmatch(r"[A-Z0-9]{12}", placed["rrn"])
    assert re.fullmatch(r"[A-Z0-9]{6}", placed["authorization_code"])
    assert placed["register_entry"] in placed["receipt"]
    assert "签购单" in placed["receipt"]


def test_a_repeat_gets_the_first_answer(stay: dict[str, Answer]) -> None:
    assert stay["repeated"] == stay["completed"]


def test_the_register_has_each_request_once_with_every_field(
    stay: dict[str, Answer], rows: dict[str, dict[str, Any]]
) -> None:
    assert {answer["trace_key"] for answer in stay.values()} == rows.keys()
    for answer in stay.values():
        row = rows[answer["trace_key"]]
        assert row.keys() == ROW_FIELDS
        told = ("kind", "outcome", "response_code", "amount", "currency", "card", "rrn", "authorization_code")
        assert [row[name] for name in told] == [answer[name] for name in told]
        assert row["entry"] == answer["register_entry"]
        assert (row["merchant_id"], row["merchant_name"]) == (HOTEL, "东湖宾馆")
        assert (row["terminal_id"], row["operator"], row["issuer"]) == (TERMINAL, "01", sample.DEBIT_BANK)
        assert re.fullmatch(r"20[0-9-]{8}T[0-9:.]+\+08:00", row["at"])
        assert row["at"].startswith(f"{row['date']}T{row['time']}")
        assert re.fullmatch(r"[0-9a-f]{64}", row["leaf"])


def test_a_row_names_its_hold_and_says_why_not(stay: dict[str, Answer], rows: dict[str, dict[str, Any]]) -> None:
    completed, refused = rows[stay["completed"]["trace_key"]], rows[stay["too much"]["trace_key"]]
    for row in (completed, refused):
        assert (row["pre_auth_amount"], row["original"]) == (50000, stay["placed"]["register_entry"])
    assert completed["reason"] is None
    assert "ceiling of 115 %" in refused["reason"]
    assert "is completed" in rows[stay["completed again"]["trace_key"]]["reason"]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (("--kind", "void"), {"voided"}),
        (("--amount", "460.50"), {"completed", "completed again"}),
        (("--card-last4", "0019", "--kind", "pre-authorization"), {"placed", "second"}),
        (("--card-last4", "0018"), set()),
        (("--date", "2001-01-01"), set()),
    ],
)
def test_rows_are_found(
    shared: Installation, stay: dict[str, Answer], filters: tuple[str, ...], names: set[str]
) -> None:
    found = {row["trace_key"] for row in shared.register("--terminal", TERMINAL, *filters)}
    assert found == {stay[name]["trace_key"] for name in names}


def test_one_is_found_by_rrn_and_by_trace_key(shared: Installation, stay: dict[str, Answer]) -> None:
    for option, name in (("--rrn", "rrn"), ("--trace-key", "trace_key")):
        [row] = shared.register(option, stay["completed"][name])
        assert row["entry"] == stay["completed"]["register_entry"]


def test_the_terminal_has_it_in_its_journal(shared: Installation, stay: dict[str, Answer]) -> None:
    query = shared.terminal(TERMINAL, "query", stay["completed"]["trace_key"]).json
    assert (query["outcome"], query["register_entry"]) == ("approved", stay["completed"]["register_entry"])
    journal = shared.terminal(TERMINAL, "journal").rows
    assert [entry["number"] for entry in journal] == list(range(1, len(journal) + 1))
    receipt = shared.terminal(TERMINAL, "receipt", stay["completed"]["trace_key"]).json["receipt"]
    assert stay["completed"]["register_entry"] in receipt


def test_the_register_verifies(shared: Installation, stay: dict[str, Answer]) -> None:
    verified = shared.run("register", "verify", "--json").json
    assert verified["ok"] is True
    assert verified["problems"] == []
    assert verified["entries"] == sum(log["size"] for log in verified["logs"])
    assert {log["log"] for log in verified["logs"]} == {"A", "I"}


def test_a_void_without_a_supervisor_is_not_even_asked(shared: Installation, stay: dict[str, Answer]) -> None:
    before = shared.terminal(TERMINAL, "journal").out
    linked = ("--original", stay["second"]["authorization_code"], "--card", CARD)
    assert "supervisor" in shared.terminal(TERMINAL, "void", *linked, expect=2).complaint
    assert shared.terminal(TERMINAL, "journal").out == before


# --- proofs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proof(shared: Installation, stay: dict[str, Answer]) -> str:
    """The proof file of the completion."""
    return shared.run("register", "proof", stay["completed"]["register_entry"]).out


def check_proof(text: str, folder: Path) -> int:
    """The exit code of `register check-proof`."""
    file = folder / "p.json"
    file.write_text(text, encoding="utf-8", newline="")
    ran = holdfast("register", "check-proof", file)
    assert "Traceback" not in ran.err, ran.err
    return ran.code


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return "another"
    if isinstance(value, int):
        return value + 1
    at = len(value) // 2
    return value[:at] + ("1" if value[at : at + 1] == "0" else "0") + value[at + 1 :]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each single value stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner:
        yield path
    for key, each in inner:
        yield from places(each, (*path, key))


def with_change(proof: Any, path: tuple[str | int, ...]) -> str:
    """The proof with the value at that place changed, written as every proof is."""
    proof = copy.deepcopy(proof)
    inside = proof
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = changed(inside[path[-1]])
    return orjson.dumps(proof, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def test_a_proof_holds(proof: str, tmp_path: Path) -> None:
    assert check_proof(proof, tmp_path) == 0
    key = orjson.loads(proof)["public_key"]
    assert holdfast("register", "check-proof", tmp_path / "p.json", "--key", key).code == 0
    assert holdfast("register", "check-proof", tmp_path / "p.json", "--key", changed(key)).code == 1


def test_a_proof_with_any_value_changed_does_not(proof: str, tmp_path: Path) -> None:
    value = orjson.loads(proof)
    every = list(places(value))
    assert len(every) > 20
    assert check(proof).ok
    held = [path for path in every if check(with_change(value, path)).ok]
    assert held == [], "these values are not bound by the proof"
    # The command reads the same: one value each of the entry, the path and the checkpoint.
    for part in ("entry", "path", "checkpoint"):
        place = next(path for path in every if path[0] == part)
        assert check_proof(with_change(value, place), tmp_path) == 1, place


@pytest.mark.parametrize("cut", ["", "{}", "not a proof"])
def test_what_is_no_proof_proves_nothing(cut: str, tmp_path: Path) -> None:
    assert check_proof(cut, tmp_path) == 1


def test_what_is_not_there_has_no_proof(shared: Installation, stay: dict[str, Answer], tmp_path: Path) -> None:
    assert "A-999999" in shared.run("register", "proof", "A-999999", expect=1).complaint
    assert holdfast("register", "check-proof", tmp_path / "nothing.json").code == 2
