"""`holdfast decode`: a frame that came from anywhere, explained without baring what is secret."""

import json

import pytest

from holdfast.edges import cli
from holdfast.keys.algorithms import mac_ecb, mac_x919
from holdfast.wire.codec import encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.framing import frame
from holdfast.wire.message import Message
from holdfast.wire.security import MAC_PLACEHOLDER, mac_block, put_mac
from holdfast.wire.settlement import CardClass, Detail, pack_details

PAN = "6220000000000019"
MAK = bytes.fromhex("0123456789ABCDEF")
ZONE_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def sealed(dialect: Dialect, key: bytes, mti: str, fields: dict[int, str | bytes]) -> bytes:
    body = encode(dialect, Message(mti, {**fields, dialect.mac_field: MAC_PLACEHOLDER}))
    block = mac_block(dialect, body)
    mac = mac_ecb(key, block) if dialect is UNIONPAY else mac_x919(key, block).hex()[:8].upper()
    return put_mac(body, mac)


CARD: dict[int, str | bytes] = {2: PAN, 35: f"{PAN}=31122010000012345678", 52: bytes(range(8))}
ASKED: dict[int, str | bytes] = {3: "030000", 4: "000000050000", 11: "000123", 25: "06", 49: "156", 60: "10000001000"}
PLACE: dict[int, str | bytes] = {41: "T0000001", 42: "104290070110001"}
PRE_AUTH = sealed(UNIONPAY, MAK, "0100", CARD | ASKED | PLACE)
TO_ISSUER = sealed(ASCII_1987, ZONE_KEY, "0200", {2: PAN, 3: "000000", 4: "000000046050", 11: "000010"})


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The command as a shell would run it; its exit code."""
    monkeypatch.setattr("sys.argv", ["holdfast", "decode", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.parametrize("framed", [PRE_AUTH, frame(PRE_AUTH)])
def test_a_frame_of_a_terminal_in_json(
    framed: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, framed.hex(), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    parts = said.pop("parts")
    assert said == {
        "mti": "0100",
        "bitmap": "7020008020C09011",
        "fields": {
            "2": "622000******0019",
            "3": "030000",
            "4": "000000050000",
            "11": "000123",
            "25": "06",
            "35": "secret, 19 bytes",
            "41": "T0000001",
            "42": "104290070110001",
            "49": "156",
            "52": "secret, 8 bytes",
            "60": "10000001000",
            "64": PRE_AUTH[-8:].decode(),
        },
        "mac": "unchecked",
    }
    assert list(parts) == ["TPDU", "header", "message type", "3", "4", "25", "49", "60"]
    assert parts["25"] == [{"name": "condition", "value": "06", "meaning": "pre-authorization"}]
    assert parts["60"][1] == {"name": "60.2 batch", "value": "000001", "meaning": ""}


@pytest.mark.parametrize(
    ("mti", "code", "part"),
    [
        ("0110", "51", ("response", "51", "insufficient funds")),
        ("0110", "ZZ", ("response", "ZZ", "response ZZ")),
        ("0400", "98", ("reason", "98", "no answer came")),
        ("0401", "A0", ("reason", "A0", "the answer's MAC was wrong")),
        ("0410", "00", ("response", "00", "approved")),
    ],
)
def test_a_code_is_told_in_words(
    mti: str,
    code: str,
    part: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, encode(UNIONPAY, Message(mti, {11: "000123", 39: code})).hex(), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["fields"]["39"] == code
    assert said["parts"]["39"] == [dict(zip(("name", "value", "meaning"), part, strict=True))]


def test_an_upload_is_explained_and_its_cards_are_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    details = pack_details([Detail(CardClass.DOMESTIC, f"{number:06d}", PAN, 46050) for number in range(1, 9)])
    upload = Message("0320", {11: "000130", 48: details, 60: "00000001201"}, processing_request="3")
    body = encode(UNIONPAY, upload).hex()
    assert run(monkeypatch, body, "--json") == 0
    as_json = capsys.readouterr().out
    parts = json.loads(as_json)["parts"]
    assert parts["header"][3] == {"name": "processing request", "value": "3", "meaning": "sign on again"}
    assert parts["48"][30] == {"name": "8 card number", "value": "622000******0019", "meaning": ""}
    assert run(monkeypatch, body) == 0
    table = capsys.readouterr().out
    for told in ("sign on again", "8 amount: 000000046050 (460.50)", "60.3 network management: 201 (upload of"):
        assert told in table
    assert PAN not in as_json + table


def test_a_frame_between_hosts_is_known_by_its_bytes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--dialect", "ascii"]):
        assert run(monkeypatch, TO_ISSUER.hex(), "--json", "--mac-key", ZONE_KEY.hex(), *words) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["mti"], said["fields"]["4"], said["mac"]) == ("0200", "000000046050", "valid")
        assert said["bitmap"] == "F0200000000000000000000000000001"


@pytest.mark.parametrize(
    ("body", "key", "mac"),
    [
        (PRE_AUTH, MAK.hex(), "valid"),
        (PRE_AUTH, ZONE_KEY.hex(), "invalid"),
        (PRE_AUTH[:-1] + bytes([PRE_AUTH[-1] ^ 1]), MAK.hex(), "invalid"),
        (PRE_AUTH, "", "unchecked"),
        (encode(UNIONPAY, Message("0800", {11: "000001", 41: "T0000001"})), MAK.hex(), "absent"),
        (TO_ISSUER, ZONE_KEY[::-1].hex(), "invalid"),
    ],
)
def test_it_says_what_the_mac_is_worth(
    body: bytes, key: str, mac: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, body.hex(), "--json", "--mac-key", key) == (1 if mac == "invalid" else 0)
    assert json.loads(capsys.readouterr().out)["mac"] == mac


def test_a_person_sees_offsets_names_parts_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run(monkeypatch, PRE_AUTH.hex(), "--mac-key", MAK.hex()) == 0
    out = capsys.readouterr().out
    for told in ("TPDU", "processing code", "030000", "batch: 000001", "622000******0019", "06 (pre-authorization)"):
        assert told in out
    assert "MAC: valid" in out
    assert PAN not in out
    assert bytes(range(8)).hex() not in out
    amount_at = PRE_AUTH.index(bytes.fromhex("000000050000"))
    (line,) = (line for line in out.splitlines() if "000000050000" in line)
    assert line.split()[:2] == [str(amount_at), "4"]


BAD: list[tuple[list[str], str]] = [
    (["60xx"], "the frame is not hex: 'x' at digit 3"),
    (["600"], "the frame has 3 hex digits, and a byte has two: one is missing"),
    (["60"], "1 bytes are no frame: give it whole"),
    ([""], "0 bytes are no frame: give it whole"),
    (
        [frame(PRE_AUTH)[:-5].hex()],
        f"the frame is torn: its length says {len(PRE_AUTH)} bytes, {len(PRE_AUTH) - 5} are",
    ),
    (
        [(frame(PRE_AUTH) + b"\0").hex()],
        f"length says {len(PRE_AUTH)} bytes, {len(PRE_AUTH) + 1} are there: give one frame",
    ),
    ([PRE_AUTH[:-5].hex()], "field 64 at byte"),
    ([PRE_AUTH.hex(), "--dialect", "klingon"], "there is no dialect 'klingon': choose unionpay or ascii"),
    ([PRE_AUTH.hex(), "--mac-key", "12"], "the MAC key does not fit: key has 1 bytes, not 8, 16 or 24"),
    ([PRE_AUTH.hex(), "--mac-key", "zz"], "the MAC key is not hex: 'z' at digit 1"),
    ([TO_ISSUER.hex(), "--mac-key", MAK.hex()], "the MAC key does not fit: X9.19 needs a key of 16 bytes, not 8"),
]


@pytest.mark.parametrize(("words", "expected"), BAD, ids=range(len(BAD)))
def test_what_is_no_frame_gets_one_line(
    words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *words, "--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert expected in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err


def test_hex_may_be_cut_into_pieces(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As captures print it."""
    lines = "\n".join(frame(PRE_AUTH)[at : at + 16].hex(" ") for at in range(0, len(PRE_AUTH) + 2, 16))
    assert run(monkeypatch, lines, "--json") == 0
    assert json.loads(capsys.readouterr().out)["mti"] == "0100"
