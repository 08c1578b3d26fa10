"""How a card is read, and what passes between it and its issuer: through the acquirer, and into no entry or row."""

import pytest

from holdfast.clock import SECOND_US
from holdfast.domain.records import CARDS as VAULT
from tests.parties.acquirer_desk import CARDS, CHIP, CHIP_TRACK2, TRACK2, Desk
from tests.stories import play

READ = """
T1/1 places C1 100.00 read=keyed                  -> 00
T1/2 places C1 100.00 read=stripe                 -> 00
T1/3 places C1 100.00 read=chip                   -> 00
T1/4 places C1 100.00 read=tap                    -> 00
T1/5 places C1 100.00 read=chip-stripe            -> 59                            # it has a chip: use that
T1/6 places C1 100.00 read=fallback               -> 00                            # the chip failed, says the terminal
T1/7 sells C1 100.00 read=chip-stripe             -> 59
T1/8 increments T1/1 100.00 read=chip-stripe      -> 59
T1/9 completes T1/1 100.00 read=chip-stripe       -> 00                            # what is held needs no card at all
T1/10 voids T1/2 100.00 read=chip-stripe          -> 00
T1/11 voids-completion T1/9 100.00 read=chip-stripe -> 00
T1/12 asks-balance C1 read=chip-stripe            -> 00
"""

NOT_READ_AGAIN = """
T1/1 places C1 100.00 read=chip mac=wrong         -> A0
repeat T1/1                                       -> 25  asked 0                   # a repeat has no chip: never on less
T1/2 places C1 100.00 read=chip                   -> 00  asked 1
repeat T1/2                                       -> 00  asked 1
"""

SCHEMES = """
T1/1 places VISA 100.00                           -> 00  T1/1.scheme VIS  T1/1.card 400000******0010
T1/2 places MASTER 100.00                         -> 00  T1/2.scheme MCC
T1/3 places C1 100.00                             -> 00  T1/3.scheme CUP
T1/4 completes T1/1 100.00                        -> 00  T1.debit 0.00  T1.foreign_debit 100.00
T1/5 completes T1/2 100.00                        -> 00  T1.debit 0.00  T1.foreign_debit 200.00
T1/6 completes T1/3 100.00                        -> 00  T1.debit 100.00
T1/7 voids-completion T1/4 100.00                 -> 00  T1.credit 0.00  T1.foreign_credit 100.00
reverse T1/5                                      -> 00  T1.foreign_debit 100.00
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)


WORD_OF_THE_ISSUER = bytes.fromhex("910A1122334455667788" + "3030")


@pytest.mark.parametrize("verb", ["places", "sells"])
def test_what_the_chip_and_its_issuer_say_passes_through(verb: str) -> None:
    desk = Desk()
    desk.told_once = {55: WORD_OF_THE_ISSUER}
    assert desk.act(["T1/1", verb, "C1", "100.00", "read=chip"]) == "00"
    question = desk.questions[-1]
    assert (question.get_bytes(55), question.get(23), question.get(22)) == (CHIP, "001", "051")
    assert question.get(35) == CHIP_TRACK2["C1"]
    assert desk.slips["T1/1"].get_bytes(55) == WORD_OF_THE_ISSUER
    # It was told once. `Desk.act` has looked for both in every entry, row and line.
    assert desk.act(["copy", "T1/1"]) == "00"
    assert 55 not in desk.slips["T1/1"].fields
    desk.told_once = {}
    assert desk.act(["reverse", "T1/1"]) == "00"
    desk.act(["time", "passes"])
    assert {23, 35, 55}.isdisjoint(desk.undone[-1].fields)


def test_what_the_issuer_says_to_the_chip_when_it_declines_is_told_too() -> None:
    desk = Desk()
    desk.told_once, desk.verdict = {55: WORD_OF_THE_ISSUER}, "51"
    bodies: list[bytes] = []
    desk.terminal_of("T1")
    pipe = desk.terminals["T1"][1]
    keep = pipe.write
    pipe.write = lambda frame: (bodies.append(frame), keep(frame))[1]  # type: ignore[method-assign,func-returns-value]
    assert desk.act(["T1/1", "places", "C1", "100.00", "read=chip"]) == "51"
    assert WORD_OF_THE_ISSUER in bodies[-1]


def test_a_late_answer_says_nothing_to_anybody() -> None:
    desk = Desk()
    desk.told_once, desk.verdict = {55: WORD_OF_THE_ISSUER}, None
    assert desk.act(["T1/1", "places", "C1", "100.00", "read=chip"]) == "none"
    desk.now_us += 12 * SECOND_US
    assert desk.act(["time", "passes"]) == "98"
    assert desk.act(["issuer", "answers", "T1/1", "00"]) == "none"
    assert desk.act(["copy", "T1/1"]) == "98"


def test_a_balance_is_told_to_the_terminal_and_kept_nowhere() -> None:
    desk = Desk()
    desk.told_once = {54: "0002156C000000912345"}
    assert desk.act(["T1/1", "asks-balance", "C1"]) == "00"
    answer = desk.slips["T1/1"]
    assert (answer.get(54), answer.get(3), answer.get(25)) == ("0002156C000000912345", "310000", "00")
    assert {4, 38}.isdisjoint(answer.fields)
    assert 4 not in desk.sent["T1/1"][0][0].fields
    row = desk.row_of("T1/1")
    assert (row.amount_minor, row.hold_id, row.outcome) == (0, None, "approved")
    # Asked again under the same key it is not known any more, and the issuer is not asked twice.
    assert desk.act(["copy", "T1/1"]) == "00"
    assert 54 not in desk.slips["T1/1"].fields
    assert len(desk.questions) == 1


def test_one_card_has_one_token_however_it_is_read() -> None:
    desk = Desk()
    for stan, how in enumerate(("keyed", "stripe", "chip", "tap", "fallback"), 1):
        assert desk.act([f"T1/{stan}", "places", "C1", "100.00", f"read={how}"]) == "00"
    assert len({desk.row_of(f"T1/{stan}").token for stan in range(1, 6)}) == 1
    assert len(desk.rows(VAULT)) == 1
    assert TRACK2["C1"].encode() not in b"".join(row.pan_sealed for row in desk.rows(VAULT))
    assert CARDS["C1"].encode() not in desk.rows(VAULT)[0].pan_sealed


def test_a_refund_and_an_advice_tell_no_track_pin_or_chip_again() -> None:
    desk = Desk()
    desk.act(["T1/1", "sells", "C1", "100.00"])
    desk.verdict = None
    assert desk.act(["T1/2", "refunds", "T1/1", "40.00", "read=chip"]) == "none"
    assert desk.told[-1].get_bytes(55) == CHIP, "asked for the first time it passes through"
    desk.now_us += 12 * SECOND_US
    desk.act(["time", "passes"])
    assert {23, 35, 52, 55}.isdisjoint(desk.told[-1].fields)
