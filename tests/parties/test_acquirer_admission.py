"""Who is heard at the acquirer, under which key, in which batch; and which check speaks first."""

from collections.abc import Callable

import pytest

from holdfast.clock import MINUTE_US
from holdfast.domain.commands import SALE
from holdfast.domain.policy import Policy
from holdfast.domain.records import REQUESTS, SESSIONS, TERMINALS, Terminal
from holdfast.keys.algorithms import decrypt_blocks, encrypt_blocks, mac_ecb, pin_block, pin_of_block
from holdfast.parties.step import Received
from holdfast.wire.chain import CHAIN_FIELD, ChainRequest, pack_request
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.header import parse_header
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac
from tests.parties.acquirer_desk import CARDS, HOTEL, OTHER_HOTEL, PIN, TRACK2, Desk, DeskTerminal, spoiled
from tests.runtime.acquirer_bench import TMK, ZONE
from tests.standard_terminal import StandardTerminal


def opened(name: str = "T1") -> tuple[Desk, DeskTerminal]:
    """A desk with one terminal signed on."""
    desk = Desk()
    return desk, desk.terminal_of(name)


def renamed(body: bytes, terminal_id: str) -> bytes:
    """The same message as if another terminal had sent it."""
    return body.replace(b"T0000001", terminal_id.encode())


def disable(desk: Desk, terminal_id: str) -> None:
    row = {"terminal_id": terminal_id, "merchant_id": "102100070110001", "tmk": TMK.hex(), "enabled": False}
    assert desk.command("import", {"terminals": [row]})["ok"]


def everything(terminal: StandardTerminal) -> dict[str, bytes]:
    """One of each message that a terminal sends."""
    placed = terminal.pre_auth(CARDS["C1"], 100_00)
    assert terminal.sent is not None
    echo = encode(
        UNIONPAY, Message("0820", {11: "000009", 41: "T0000001", 42: terminal.merchant_id, 60: "00000001301"})
    )
    return {
        "pre-auth": placed,
        "reversal": terminal.reverse(terminal.sent),
        "sign-on": terminal.sign_on(),
        "echo": echo,
    }


@pytest.mark.parametrize("what", ["pre-auth", "reversal", "sign-on", "echo"])
def test_a_terminal_that_nobody_knows_or_that_was_disabled_gets_97(what: str) -> None:
    desk, terminal = opened()
    entries = len(desk.entries)
    body = everything(terminal)[what]
    assert desk.transmit("T1", renamed(body, "T9999999")) == "97"
    assert len(desk.entries) == entries
    assert desk.transmit("T1", body) == "00"
    disable(desk, "T0000001")
    assert desk.transmit("T1", body) == "97"


@pytest.mark.parametrize("what", ["pre-auth", "reversal"])
def test_who_never_signed_on_gets_77(what: str) -> None:
    desk, terminal = opened()
    entries = len(desk.entries)
    assert desk.transmit("T1", renamed(everything(terminal)[what], "T0000007")) == "77"
    assert len(desk.entries) == entries


@pytest.mark.parametrize("what", ["pre-auth", "reversal"])
def test_a_message_whose_mac_is_wrong_or_missing_was_not_received(what: str) -> None:
    desk, terminal = opened()
    entries, rows = len(desk.entries), desk.rows(REQUESTS)
    body = everything(terminal)[what]
    bare = decode(UNIONPAY, body)
    del bare.fields[64]
    assert desk.transmit("T1", spoiled(body)) == "A0"
    assert desk.transmit("T1", encode(UNIONPAY, bare)) == "A0"
    assert (len(desk.entries), desk.rows(REQUESTS)) == (entries, rows)
    answer = desk.said[-1]
    assert "A0" in answer
    assert CARDS["C1"] not in answer
    # Neither is it answered under a MAC: who cannot prove himself is not vouched for.
    _, pipe, link = desk.terminals["T1"]
    assert 64 not in decode(UNIONPAY, desk.send(spoiled(body), pipe, link)).fields
    assert desk.transmit("T1", body) == "00"


@pytest.mark.parametrize("what", ["pre-auth", "reversal"])
@pytest.mark.parametrize(("after_us", "code"), [(0, "00"), (5 * MINUTE_US - 1, "00"), (5 * MINUTE_US, "A0")])
def test_the_mac_key_before_a_sign_on_holds_for_five_minutes_and_not_longer(
    what: str, after_us: int, code: str
) -> None:
    assert Policy().previous_mak_us == 5 * MINUTE_US
    desk, terminal = opened()
    under_way = everything(terminal)[what]
    desk.sign_on("T1")
    desk.now_us += after_us
    _, pipe, link = desk.terminals["T1"]
    assert decode(UNIONPAY, desk.send(under_way, pipe, link)).get(39) == code


@pytest.mark.parametrize("issuer_is_slow", [False, True])
def test_who_never_got_the_new_keys_is_answered_under_the_old_one(issuer_is_slow: bool) -> None:
    desk, terminal = opened()
    _, pipe, link = desk.terminals["T1"]
    desk.send(terminal.sign_on(), pipe, link)  # Its answer is lost, or somebody else has signed on in this name.
    pipe.bodies.clear()
    if issuer_is_slow:
        assert desk.act(["issuer", "is", "silent"]) == "none"
        assert desk.ask("T1/7", "places", "C1", "100.00", []) == "none"
        assert desk.act(["issuer", "answers", "T1/7", "00"]) == "00"  # `Desk.answered` verifies the MAC.
    else:
        assert desk.ask("T1/7", "places", "C1", "100.00", []) == "00"
    assert desk.ask("T1/8", "places", "C1", "0.01", ["DE49=840"]) == "30"
    assert desk.act(["copy", "T1/7"]) == "00"
    body = desk.send(terminal.reverse(desk.sent["T1/7"][-1][0]), pipe, link)
    assert terminal.read(body).get(39) == "00"


def test_the_key_before_the_last_but_one_does_not_hold() -> None:
    desk, terminal = opened()
    under_way = terminal.pre_auth(CARDS["C1"], 100_00)
    desk.sign_on("T1")
    desk.sign_on("T1")
    _, pipe, link = desk.terminals["T1"]
    assert decode(UNIONPAY, desk.send(under_way, pipe, link)).get(39) == "A0"


@pytest.mark.parametrize(("network", "sizes"), [("001", (8, None)), ("003", (16, None)), ("004", (16, 16))])
def test_working_keys_come_in_the_lengths_that_were_asked_for(network: str, sizes: tuple[int, int | None]) -> None:
    desk, terminal = opened()
    _, pipe, link = desk.terminals["T1"]
    answer = decode(UNIONPAY, desk.send(terminal.sign_on(network), pipe, link))
    keys = parse_working_keys(answer.get_bytes(62))
    assert (len(keys.pik), len(keys.tdk) if keys.tdk else None) == sizes
    assert answer.get(60) == f"00000001{network}"
    assert answer.get(37).startswith("A")


def test_a_sign_on_that_asks_for_other_keys_is_a_format_error() -> None:
    desk, terminal = opened()
    before = desk.rows(SESSIONS)
    assert desk.transmit("T1", terminal.sign_on("011")) == "30"
    assert desk.rows(SESSIONS) == before


SIZES = {"ecb": 8, "cbc": 8, "x919": 16, "cmac": 16, "sm4": 16}
"""Bytes of the MAC key, by the algorithm that a terminal seals with."""


def sealing_with(algorithm: str, network: str = "003") -> tuple[Desk, DeskTerminal, bytes]:
    """A desk with a terminal that seals so and has asked to sign on, and the answer to that."""
    desk = Desk()
    desk.terminal_row("T1", mac_algorithm=algorithm)
    terminal = DeskTerminal("T0000001", HOTEL, TMK, mac_algorithm=algorithm)
    desk.terminals["T1"] = terminal, *desk.new_pipe()
    _, pipe, link = desk.terminals["T1"]
    return desk, terminal, desk.send(terminal.sign_on(network), pipe, link)


@pytest.mark.parametrize("algorithm", SIZES)
def test_each_terminal_seals_with_its_own_algorithm(algorithm: str) -> None:
    desk, terminal, answer = sealing_with(algorithm, "006" if algorithm == "sm4" else "003")
    keys = parse_working_keys(decode(UNIONPAY, answer).get_bytes(62))
    assert (len(keys.mak), len(keys.pik)) == (SIZES[algorithm], 16)
    assert terminal.take_keys(answer) == "00", "each key fits its check value under the terminal's own cipher"
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "00"  # The MAC of each answer is verified by `read`.
    assert desk.act(["T1/2", "completes", "T1/1", "100.00"]) == "00"
    assert desk.act(["T1/3", "places", "C1", "100.00", "mac=wrong"]) == "A0"
    assert desk.act(["repeat", "T1/1"]) == "00"
    assert desk.act(["reverse", "T1/2"]) == "00"
    desk.verdict = None
    assert desk.act(["T1/4", "places", "C1", "100.00"]) == "none"
    desk.now_us += Policy().issuer_patience_us
    assert desk.act(["time", "passes"]) == "98", "what the acquirer says by itself is sealed so, too"


@pytest.mark.parametrize("algorithm", sorted(set(SIZES) - {"ecb"}))
def test_a_mac_by_another_algorithm_is_a_wrong_one(algorithm: str) -> None:
    desk, terminal, answer = sealing_with(algorithm, "006" if algorithm == "sm4" else "003")
    terminal.take_keys(answer)
    terminal.mac_algorithm = "ecb"
    assert desk.act(["T1/1", "places", "C1", "100.00"]) == "A0"


@pytest.mark.parametrize("algorithm", SIZES)
def test_a_mac_key_of_sixteen_bytes_does_not_fit_beside_single_length_keys(algorithm: str) -> None:
    desk, _, body = sealing_with(algorithm, "001")
    answer = decode(UNIONPAY, body)
    assert answer.get(39) == ("00" if SIZES[algorithm] == 8 else "30")
    assert not any(entry.kind == "refusal" for entry in desk.entries)
    if SIZES[algorithm] == 8:
        assert len(answer.get_bytes(62)) == 24


@pytest.mark.parametrize(("network", "size"), [("001", 24), ("003", 40), ("004", 60), ("006", 60)])
def test_the_keys_of_a_sign_on_are_as_long_as_their_form(network: str, size: int) -> None:
    algorithm = "sm4" if network == "006" else "ecb"
    _, _, body = sealing_with(algorithm, network)
    assert len(decode(UNIONPAY, body).get_bytes(62)) == size


# --- notices ------------------------------------------------------------------------------------------------------


def asks(desk: Desk, body: bytes) -> str:
    """The digit of the answer's header: what it asks of the terminal."""
    _, pipe, link = desk.terminals["T1"]
    return parse_header(decode(UNIONPAY, desk.send(body, pipe, link)).header).processing_request


def test_a_terminal_is_asked_to_sign_on_again_until_it_does() -> None:
    desk, terminal = opened()
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "0"
    desk.terminal_row("T1", notice="3")
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "3"
    assert asks(desk, terminal.business(SALE, CARDS["C1"], 100_00, {})) == "3"
    assert asks(desk, terminal.sign_on()) == "0"
    assert terminal_row(desk).notice == "0"
    desk.sign_on("T1")
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "0"


def download(terminal: DeskTerminal) -> bytes:
    """0800/360."""
    return encode(UNIONPAY, Message("0800", {11: "000777", 41: "T0000001", 42: HOTEL, 60: f"00{terminal.batch}360"}))


def test_a_terminal_is_asked_to_fetch_its_parameters_until_it_does() -> None:
    desk, terminal = opened()
    desk.rules("fallback=never;floor_minor=50000")
    desk.terminal_row("T1", notice="1")
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "1"
    assert asks(desk, terminal.sign_on()) == "1"
    assert desk.sign_on("T1") == "00"
    _, pipe, link = desk.terminals["T1"]
    answer = decode(UNIONPAY, desk.send(download(terminal), pipe, link))
    said = "HP1|merchant_name=和平饭店|merchant_name_en=Peace Hotel|keyed=allowed|fallback=never|floor_minor=50000"
    assert (answer.mti, answer.get(39), answer.get_bytes(62).decode("gbk")) == ("0810", "00", said)
    assert terminal_row(desk).notice == "0"
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "0"
    assert [entry.kind for entry in desk.entries].count("download") == 1
    desk.audit()


@pytest.mark.parametrize("notice", ["2", "4", "5", "9"])
def test_what_a_terminal_does_elsewhere_is_asked_until_somebody_takes_it_back(notice: str) -> None:
    desk, terminal = opened()
    desk.terminal_row("T1", notice=notice)
    assert asks(desk, terminal.sign_on()) == notice
    desk.sign_on("T1")
    _, pipe, link = desk.terminals["T1"]
    desk.send(download(terminal), pipe, link)
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == notice
    desk.terminal_row("T1", notice="0")
    assert asks(desk, terminal.pre_auth(CARDS["C1"], 100_00)) == "0"


def test_parameters_are_told_to_terminals_of_ours_only() -> None:
    desk, terminal = opened()
    assert desk.transmit("T1", renamed(download(terminal), "T9999999")) == "97"
    assert desk.transmit("T1", renamed(download(terminal), "T0000007")) == "77"
    disable(desk, "T0000001")
    assert desk.transmit("T1", download(terminal)) == "97"
    assert not any(entry.kind == "download" for entry in desk.entries)


def terminal_row(desk: Desk) -> Terminal:
    row: Terminal = desk.database.table(TERMINALS).rows["T0000001"]
    return row


# --- batches ------------------------------------------------------------------------------------------------------


def chained(body: bytes, terminal: StandardTerminal, sequence: int, seal: bool = True, link: str = "0" * 16) -> bytes:
    """The same message with a link of a terminal journal's chain."""
    message = decode(UNIONPAY, body)
    message.fields[CHAIN_FIELD] = pack_request(ChainRequest(sequence, link, ""))
    body = encode(UNIONPAY, message)
    return put_mac(body, mac_ecb(terminal.mak, mac_block(UNIONPAY, body))) if seal else body


def batch_after(desk: Desk, terminal: StandardTerminal, sequence: int) -> str:
    """The batch that a sign-on with this link of the chain is given."""
    _, pipe, link = desk.terminals["T1"]
    assert (
        terminal.take_keys(desk.send(chained(terminal.sign_on(), terminal, sequence, seal=False), pipe, link)) == "00"
    )
    return terminal.batch


def test_a_sign_on_with_an_unknown_journal_opens_a_new_batch() -> None:
    desk, terminal = opened()
    assert desk.transmit("T1", chained(terminal.pre_auth(CARDS["C1"], 100_00), terminal, 7)) == "00"
    assert batch_after(desk, terminal, 8) == "000001"
    assert batch_after(desk, terminal, 7) == "000002", "that link is already known: the journal began anew"
    terminal.stan = 0
    assert desk.transmit("T1", chained(terminal.pre_auth(CARDS["C1"], 100_00), terminal, 2)) == "00"
    assert batch_after(desk, terminal, 3) == "000002"


def test_by_rule_the_batch_that_a_new_journal_opens_is_the_date() -> None:
    desk, terminal = opened()
    desk.rules("batch_numbers=date", "*")
    assert desk.transmit("T1", chained(terminal.pre_auth(CARDS["C1"], 100_00), terminal, 7)) == "00"
    assert batch_after(desk, terminal, 7) == "261118"


def test_a_terminal_without_a_journal_keeps_its_batch() -> None:
    desk, terminal = opened()
    assert desk.transmit("T1", terminal.pre_auth(CARDS["C1"], 100_00)) == "00"
    desk.sign_on("T1")
    assert terminal.batch == "000001"
    assert batch_after(desk, terminal, 1) == "000001", "and one that gets a journal is no stranger"


def test_answers_to_a_terminal_with_a_journal_name_the_entry() -> None:
    desk, terminal = opened()
    _, pipe, link = desk.terminals["T1"]
    answer = decode(UNIONPAY, desk.send(chained(terminal.pre_auth(CARDS["C1"], 100_00), terminal, 1), pipe, link))
    entry = answer.get(CHAIN_FIELD).removeprefix("HF1|")
    assert entry == f"A-{len(desk.entries):06d}"
    (row,) = desk.rows(REQUESTS)
    assert (row.entry, row.sequence) == (entry, 1)


def test_what_belongs_to_an_old_batch_is_still_served() -> None:
    """Reversals and repeats carry their original batch and are exempt from 77; what is new is not."""
    desk, terminal = opened()
    body = chained(terminal.pre_auth(CARDS["C1"], 100_00), terminal, 5)
    placed = terminal.sent
    assert placed is not None
    assert desk.transmit("T1", body) == "00"
    never_seen = terminal.pre_auth(CARDS["C1"], 1)
    unseen = terminal.sent
    assert unseen is not None
    assert batch_after(desk, terminal, 1) == "000002"
    assert desk.transmit("T1", chained(terminal.repeat(placed), terminal, 5)) == "00"
    assert desk.transmit("T1", terminal.reverse(placed)) == "00"
    assert desk.row_of_key("T0000001/000001/000001/0100").outcome == "reversed"
    assert desk.transmit("T1", terminal.reverse(unseen)) == "00"
    assert desk.row_of_key("T0000001/000001/000002/0100").outcome == "tombstone"
    _, pipe, link = desk.terminals["T1"]
    assert decode(UNIONPAY, desk.send(never_seen, pipe, link)).get(39) == "12"


# --- PIN and track ------------------------------------------------------------------------------------------------


def pin_keys(desk: Desk, terminal: StandardTerminal) -> bytes:
    """Sign on, and keep the PIN key that comes."""
    _, pipe, link = desk.terminals["T1"]
    body = desk.send(terminal.sign_on(), pipe, link)
    assert terminal.take_keys(body) == "00"
    return decrypt_blocks(TMK, parse_working_keys(decode(UNIONPAY, body).get_bytes(62)).pik)


def test_a_pin_reaches_the_issuer_under_its_own_key_and_is_written_nowhere() -> None:
    desk, terminal = opened()
    block = encrypt_blocks(pin_keys(desk, terminal), pin_block(PIN, CARDS["C1"]))
    track = TRACK2["C1"]
    body = terminal.pre_auth(CARDS["C1"], 100_00, de52=block, de22="021", de26="12", de35=track)
    assert desk.transmit("T1", body) == "00"
    question = desk.questions[-1]
    assert pin_of_block(decrypt_blocks(ZONE, question.get_bytes(52)), CARDS["C1"]) == PIN
    assert question.get(35) == track
    desk.audit()
    for secret in (block.hex(), question.get_bytes(52).hex(), track, track.partition("=")[2], PIN):
        assert not any(secret.encode() in entry.body.lower() for entry in desk.entries)
    assert desk.transmit("T1", terminal.reverse(terminal.sent)) == "00"  # type: ignore[arg-type]
    desk.turn(claim=True)
    assert {35, 52}.isdisjoint(desk.undone[-1].fields)


@pytest.mark.parametrize("block", [bytes(8), b"\xff" * 8, bytes(range(8))])
def test_what_is_no_pin_block_gets_99(block: bytes) -> None:
    desk, terminal = opened()
    assert desk.transmit("T1", terminal.pre_auth(CARDS["C1"], 100_00, de52=block)) == "99"
    assert desk.questions == []


def test_a_card_that_was_swiped_is_the_card_that_is_keyed_later() -> None:
    desk, terminal = opened()
    body = terminal.pre_auth(CARDS["C1"], 100_00, de35=TRACK2["C1"], de22="022")
    message = decode(UNIONPAY, body)
    del message.fields[2], message.fields[14]
    swiped = encode(UNIONPAY, message)
    swiped = put_mac(swiped, mac_ecb(terminal.mak, mac_block(UNIONPAY, swiped)))
    _, pipe, link = desk.terminals["T1"]
    answer = decode(UNIONPAY, desk.send(swiped, pipe, link))
    assert answer.get(39) == "00"
    assert (desk.questions[-1].get(2), desk.questions[-1].get(14)) == (CARDS["C1"], "3012")
    assert desk.transmit("T1", terminal.repeat(terminal.sent)) == "00", "its repeat has no track, and is the same"  # type: ignore[arg-type]
    done = terminal.complete(CARDS["C1"], 100_00, answer.get(38), answer.get(13))
    assert desk.transmit("T1", done) == "00"


@pytest.mark.parametrize("rest", ["", "3", "30", "301", "3013", "30A2", "0012"])
def test_a_track_that_ends_too_early_is_declined(rest: str) -> None:
    desk, terminal = opened()
    track = f"{CARDS['C1']}={rest}"
    message = decode(UNIONPAY, terminal.pre_auth(CARDS["C1"], 100_00, de35=track, de22="022"))
    del message.fields[2], message.fields[14]
    body = encode(UNIONPAY, message)
    body = put_mac(body, mac_ecb(terminal.mak, mac_block(UNIONPAY, body)))
    assert desk.transmit("T1", body) == ("00" if rest == "" else "54")
    assert not any(entry.kind == "refusal" for entry in desk.entries)


# --- precedence ---------------------------------------------------------------------------------------------------

Mend = Callable[[Message], None]


def field(number: int, value: str) -> Mend:
    """Sets one field right."""
    return lambda message: message.fields.__setitem__(number, value)


FROM_WORST = (
    ("30", field(25, "06")),
    ("97", field(41, "T0000001")),
    ("A0", lambda message: None),
    ("77", field(60, "1000000100050")),
    ("13", field(4, "000000100001")),
    ("30", field(49, "156")),
    ("61", field(4, "000000090000")),
    ("03", field(42, "102100070110001")),
    ("14", field(2, CARDS["STRANGE"])),
    ("15", field(2, CARDS["LOST"])),
    ("54", field(14, "3012")),
    ("41", field(2, CARDS["UNLINKED"])),
    ("58", field(22, "021")),
    ("61", field(4, "000000080000")),
    ("99", lambda message: message.fields.__delitem__(52)),
    ("91", field(2, CARDS["C1"])),
)
"""The answer while everything below is wrong too, and what mends it."""


def test_the_first_check_that_fails_names_the_answer() -> None:
    desk, terminal = opened()
    desk.rules("amount_max_minor=100000;keyed=never;velocity_minor=80000")
    message = Message(
        "0100",
        {
            2: CARDS["MISTYPED"],
            3: "030000",
            4: "000000000000",
            11: "000001",
            14: "2601",
            22: "012",
            25: "99",
            41: "T9999999",
            42: OTHER_HOTEL,
            49: "840",
            52: bytes(8),
            60: "1000099900050",
            64: "00000000",
        },
    )
    told: list[str] = []
    sealed = False
    for stan, (code, mend) in enumerate(FROM_WORST, 1):
        message.fields[11] = f"{stan:06d}"
        told.append(send(desk, terminal, message, sealed))
        mend(message)
        sealed = sealed or code == "A0"
    message.fields[11] = "000999"
    told.append(send(desk, terminal, message, sealed))
    assert told == [*(code for code, _ in FROM_WORST), "00"]


def test_what_is_meant_outranks_the_way_to_its_issuer() -> None:
    desk, _ = opened()
    assert desk.act(["T1/1", "completes", "UNLINKED", "100.00", "code=123456", "date=1118"]) == "25"
    assert desk.act(["T1/2", "places", "UNLINKED", "100.00"]) == "91"


def send(desk: Desk, terminal: StandardTerminal, message: Message, sealed: bool) -> str:
    """-> the code of the answer."""
    body = encode(UNIONPAY, message)
    body = put_mac(body, mac_ecb(terminal.mak, mac_block(UNIONPAY, body))) if sealed else body
    desk.engine.offer(Received(desk.terminals["T1"][2], "", decode(UNIONPAY, body)))
    desk.turn()
    return desk.answered()


def test_the_rights_of_a_merchant_outrank_the_card() -> None:
    for name in ("T4", "T5"):
        desk, terminal = opened(name)
        assert desk.transmit(name, terminal.pre_auth(CARDS["MISTYPED"], 100_00, de14="2601")) == "58"


def test_a_command_with_a_key_of_no_size_imports_nothing() -> None:
    desk = Desk()
    row = {"terminal_id": "T0000008", "merchant_id": "102100070110001", "tmk": "AB" * 5}
    assert not desk.command("import", {"terminals": [row]})["ok"]
    assert not desk.command("no such command", {})["ok"]
    desk.audit()


def test_the_issuer_is_asked_in_a_message_that_it_can_read() -> None:
    desk, terminal = opened()
    assert desk.transmit("T1", terminal.pre_auth(CARDS["C1"], 100_00)) == "00"
    (body,) = desk.asked
    question = decode(ASCII_1987, body)
    assert (question.mti, question.get(18), question.get(4)) == ("0100", "7011", "000000010000")
    assert desk.keys.verify_mac(desk.zone_key, "x919", mac_block(ASCII_1987, body), question.get(128))
