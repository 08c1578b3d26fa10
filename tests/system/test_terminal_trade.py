"""A hotel stay with everything a cashier can ask, as he types it, against a real acquirer and issuer."""

from typing import Any

import pytest

from holdfast.edges import sample
from tests.system.installation import Installation

CARD = "grace"


class Till:
    """One fresh terminal of the hotel."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.terminal_id = installation.new_terminal()
        installation.load_key(self.terminal_id)

    def says(self, *words: object, expect: int = 0, at: str = "") -> dict[str, Any]:
        """What a command prints."""
        answer: dict[str, Any] = self.installation.terminal(self.terminal_id, *words, expect=expect, at=at).json
        return answer


@pytest.fixture(scope="module")
def till(shared: Installation) -> Till:
    """The terminal of the stay."""
    return Till(shared)


def test_the_stay(till: Till) -> None:
    card = ("--card", CARD)
    placed = till.says("pre-auth", "--amount", "500.00", *card)
    assert (placed["outcome"], " I" in placed["receipt"]) == ("approved", True), "its chip was read"
    original = ("--original", placed["authorization_code"])
    till.says("increment", *original, "--amount", "100.00", *card)
    till.says("complete", *original, "--amount", "560.50", *card)
    voided = till.says("void-completion", *original, *card, "--supervisor", "00")
    assert voided["amount"] == 560_50
    completed = till.says("complete", *original, "--amount", "300.00", *card, "--tap")
    refunded = till.says("refund", "--rrn", completed["rrn"], "--amount", "50.00", *card, "--supervisor", "00")
    assert refunded["kind"] == "refund"
    balance = till.says("balance", "--card", "pin", "--pin", "123456")
    assert balance["balance"] > 0
    till.says("balance", "--card", "pin", "--pin", "654321", expect=1)
    ordered = till.says("moto", "--amount", "70.00", "--card", "leo")
    stored = till.says(
        "advise", "--original", ordered["authorization_code"], "--amount", "60.00", "--card", "leo", at="127.0.0.1:1"
    )
    assert (stored["outcome"], stored["register_entry"], "待上送" in stored["receipt"]) == ("stored", None, True)
    assert till.installation.row(stored["trace_key"]) is None
    till.says("sync")
    row = till.installation.row(stored["trace_key"])
    assert row is not None
    assert row["outcome"] == "approved"
    assert till.says("sale", "--amount", "20.00", "--card", "victor")["outcome"] == "approved"


def test_what_the_cashier_cannot_leave_out(till: Till) -> None:
    ran = till.installation.terminal(
        till.terminal_id, "void", "--original", "000001", "--card", CARD, "--supervisor", "00", expect=2
    )
    assert "give the amount" in ran.complaint
    ran = till.installation.terminal(
        till.terminal_id, "sale", "--amount", "1", "--card", CARD, "--operator", "99", expect=1
    )
    assert "administrator" in ran.json["reason"]


def test_the_batch_is_settled_to_the_cent(till: Till) -> None:
    before = till.says("totals")
    settled = till.says("settle")
    assert (settled["balanced"], settled["next_batch"]) == (True, "000002")
    assert settled["totals"]["domestic"] | {"reply": ""} == before["totals"]["domestic"] | {"reply": ""}
    assert settled["totals"]["foreign"]["debit_amount"] == 20_00
    assert settled["totals"]["domestic"]["debit_amount"] == 560_50 + 300_00 + 60_00
    assert settled["totals"]["domestic"]["credit_amount"] == 560_50 + 50_00
    assert "对账平" in settled["receipt"]
    assert till.says("totals")["requests"] == 0


def test_what_the_terminal_shows_of_itself(till: Till) -> None:
    newest = till.installation.terminal(till.terminal_id, "last", "--count", "2").rows
    assert [row["kind"] for row in newest] == ["sale", "completion-advice"]
    again = till.says("receipt", "last")
    assert (again["trace_key"], "DUPLICATE" in again["receipt"]) == (newest[0]["trace_key"], True)
    assert "DUPLICATE" in till.says("receipt", "settlement")["receipt"]
    page = till.says("parameters")
    assert (page["batch"], page["journal_capacity"], page["keyed"]) == ("000002", 500, "allowed")
    till.says("parameters", "--download")
    assert till.says("sign-off")["outcome"] == "approved"
    assert not till.says("parameters")["signed_on"]
    journal = repr(till.installation.terminal(till.terminal_id, "journal").rows)
    pan = (sample.card(CARD) or {})["pan"]
    assert pan not in journal
    assert "123456" not in journal.replace(pan, "")
