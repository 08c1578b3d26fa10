"""Anybody can send a sign-on: what it says counts when the keys that it gave were used."""

import pytest

from holdfast.domain.records import BATCHES, SESSIONS, Session
from holdfast.register.canonical import decode_strict
from holdfast.wire.chain import CHAIN_FIELD
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import UNIONPAY
from tests.parties.acquirer_desk import CARDS, Desk, DeskTerminal

LOST = "the terminal came back with another journal: what its former device had not sent in batch {} may be lost"
OLD, NEW, THIRD = "a" * 16, "b" * 16, "c" * 16


def opened() -> tuple[Desk, DeskTerminal]:
    """A desk with one terminal signed on, which has no journal."""
    desk = Desk()
    return desk, desk.terminal_of("T1")


def with_journal(terminal: DeskTerminal, sequence: int, journal: str, told: str = "") -> bytes:
    """A sign-on that names a journal, and the last entry that it was told."""
    message = decode(UNIONPAY, terminal.sign_on())
    message.fields[CHAIN_FIELD] = f"HF1|{sequence}|{journal}|{told}"
    return encode(UNIONPAY, message)


def signs_on(desk: Desk, sequence: int, journal: str, told: str = "") -> str:
    """The terminal itself signs on; the batch that it is told."""
    terminal, pipe, link = desk.terminals["T1"]
    assert terminal.take_keys(desk.send(with_journal(terminal, sequence, journal, told), pipe, link)) == "00"
    return terminal.batch


def forged(desk: Desk, journal: str, told: str = "") -> str:
    """Somebody else does, who cannot unwrap the keys; the batch that he is told."""
    terminal, pipe, link = desk.terminals["T1"]
    answer = decode(UNIONPAY, desk.send(with_journal(terminal, 1, journal, told), pipe, link))
    assert answer.get(39) == "00"
    return answer.get(60)[2:8]


def sealed(desk: Desk, amount_minor: int = 100_00) -> str:
    """A request of the terminal under its newest keys."""
    return desk.transmit("T1", desk.terminals["T1"][0].pre_auth(CARDS["C1"], amount_minor))


def findings(desk: Desk) -> list[str]:
    """What was found so far."""
    said = [decode_strict(entry.body) for entry in desk.entries if entry.kind == "finding"]
    assert all(facts["owner"] and facts["due"] and facts["about"] for facts in said)
    assert all(facts["terminal_id"] == "T0000001" for facts in said)
    return [str(facts["reason"]) for facts in said]


def session_of(desk: Desk) -> Session:
    session: Session = desk.database.table(SESSIONS).rows["T0000001"]
    return session


def test_another_device_opens_a_batch_and_is_found_once_at_its_first_sealed_message() -> None:
    """Nobody knows what the former device had not sent; how far the new one's journal has come says nothing."""
    desk, _ = opened()
    assert (signs_on(desk, 2, OLD), sealed(desk), findings(desk)) == ("000001", "00", [])
    assert signs_on(desk, 9, OLD) == "000001", "the same journal, whose line was gone"
    assert (signs_on(desk, 12, NEW), findings(desk)) == ("000002", []), "anybody can say that"
    assert (signs_on(desk, 14, NEW), findings(desk)) == ("000002", []), "and say it again"
    assert (sealed(desk), findings(desk)) == ("00", [LOST.format("000001")])
    assert (sealed(desk), len(findings(desk))) == ("00", 1)
    assert signs_on(desk, 16, NEW) == "000002"
    desk.sign_on("T1")
    assert signs_on(desk, 18, NEW) == "000002", "somebody who names no journal changes nothing"
    assert (signs_on(desk, 2, THIRD), sealed(desk)) == ("000003", "00")
    assert findings(desk) == [LOST.format("000001"), LOST.format("000002")]
    desk.audit()


def test_the_former_device_is_not_found_a_second_time() -> None:
    desk, _ = opened()
    for journal, batch in ((OLD, "000001"), (NEW, "000002"), (OLD, "000003"), (NEW, "000004")):
        assert (signs_on(desk, 50, journal), sealed(desk)) == (batch, "00")
    assert findings(desk) == [LOST.format("000001")]


def test_a_flood_of_forged_sign_ons_finds_nothing_and_takes_no_batch() -> None:
    desk, _ = opened()
    assert (signs_on(desk, 2, OLD), sealed(desk)) == ("000001", "00")
    batches = {forged(desk, f"{number:016x}", "A-999999999") for number in range(50)}
    assert batches == {"000002"}, "each is told the same number"
    assert (findings(desk), session_of(desk).batch) == ([], "000001")
    assert sealed(desk) == "A0", "its keys are gone, as after any sign-on"
    assert (signs_on(desk, 9, OLD), sealed(desk)) == ("000001", "00")
    assert list(desk.database.table(BATCHES).rows) in ([], ["T0000001/000001"])
    assert findings(desk) == []
    desk.audit()


def test_the_key_of_before_goes_on_in_the_batch_of_before() -> None:
    desk, _ = opened()
    assert (signs_on(desk, 2, OLD), sealed(desk)) == ("000001", "00")
    forged(desk, NEW)
    assert (sealed(desk), session_of(desk).batch, findings(desk)) == ("00", "000001", [])


def test_who_steals_in_between_gets_no_proof_of_another() -> None:
    """The keys that prove are those of the last sign-on alone."""
    desk, _ = opened()
    assert (signs_on(desk, 2, OLD), sealed(desk)) == ("000001", "00")
    forged(desk, NEW)
    assert (signs_on(desk, 9, OLD), sealed(desk)) == ("000001", "00")
    assert (session_of(desk).journal, session_of(desk).unproven_batch) == (OLD, "")


def test_settling_under_the_key_of_before_leaves_what_is_unproven_behind_the_open_batch() -> None:
    desk, _ = opened()
    assert (signs_on(desk, 2, OLD), sealed(desk)) == ("000001", "00")
    forged(desk, NEW)
    assert desk.act_unaudited(["T1", "settles"]) in ("00", "11", "A0")
    after = session_of(desk)
    assert not after.unproven_batch or int(after.unproven_batch) == int(after.batch) + 1


@pytest.mark.parametrize(("named", "count"), [("A-999999", 1), ("QA-000001", 1), ("A-000001", 0), ("", 0)])
@pytest.mark.parametrize("known", [False, True])
def test_a_terminal_that_was_told_an_entry_which_we_lack_raises_a_finding_once_it_is_proven(
    named: str, count: int, known: bool
) -> None:
    """The register was cut, or restored from an older backup: the next sign-on of the terminal says so."""
    desk, _ = opened()
    if known:
        assert (signs_on(desk, 2, OLD), sealed(desk)) == ("000001", "00")
    assert (signs_on(desk, 9, OLD, named), findings(desk)) == ("000001", [])
    assert (sealed(desk), sealed(desk), len(findings(desk))) == ("00", "00", count)
    said = [decode_strict(entry.body) for entry in desk.entries if entry.kind == "finding"]
    assert all(facts["about"] == named for facts in said)
    assert all("the terminal was told an entry that is missing" in reason for reason in findings(desk))
