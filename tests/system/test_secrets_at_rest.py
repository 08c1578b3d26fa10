"""What a thief of the disk finds: no card number, no track, no PIN, no key, in no form; and nobody else may even look.

A session that has shown them all to terminal and acquirer, by command, at the menu, and as a standard terminal does;
then everything is stopped, one terminal in the middle of a request, and each raw file of both data folders is searched,
PostgreSQL's heap and WAL like any other. So are the files that leave the installation: backups and exports.
"""

import base64
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from holdfast.edges import sample
from holdfast.ids import luhn_valid
from holdfast.keys.algorithms import encrypt_blocks, pin_block
from holdfast.wire import chip, tlv
from holdfast.wire.settlement import CardClass, ClassTotals, Detail, Totals
from tests.system import test_shell_in_tmux as menu
from tests.system.disk_search import Forms, Found, files_of, of_bytes, of_digits, search, unpacked
from tests.system.installation import HOTEL, Installation, account_of, write_csv
from tests.system.test_standard_cards import PIN_CONTROL, asked_by, chip_of, read_by
from tests.system.till import Line, Till, sample_pan

PIN = "739164820517"
TRACK_TAIL = "1010000417926358"
"""Behind the expiry on the track: service code and what the issuer put there."""
CHIP_TRACK_TAIL = "2010000583026149"
PASSPHRASE = "nine willows by the east lake"

NOBODY = 65534
PLACES_TRIED = """
import os, socket, sys
for place in sys.argv[1:]:
    try:
        if place.endswith("|socket"):
            socket.socket(socket.AF_UNIX).connect(place.removesuffix("|socket"))
        elif os.path.isdir(place):
            os.listdir(place)
        else:
            open(place, "rb").read(1)
    except PermissionError:
        continue
    print("could reach", place)
"""


def card(number: int) -> str:
    """A test number with a right check digit."""
    body = f"622000{number:09d}"
    return next(body + digit for digit in "0123456789" if luhn_valid(body + digit))


KEYED, STRIPE, WITH_PIN, HOT, IN_FLIGHT, NOT_OURS, AT_MENU, CHIPPED, ADVISED, CLAIMED, MISREAD = (
    card(number) for number in range(917_352_801, 917_352_812)
)
CARDS = {
    "keyed card": KEYED,
    "swiped card": STRIPE,
    "card with a PIN": WITH_PIN,
    "hot card": HOT,
    "card of a stored reversal": IN_FLIGHT,
    "card of no issuer": NOT_OURS,
    "card of the menu": AT_MENU,
    "card with a chip": CHIPPED,
    "card of a stored advice": ADVISED,
    "card that only an upload names": CLAIMED,
    "card of an upload that differs": MISREAD,
}


# --- the session --------------------------------------------------------------------------------------------------


class Session(NamedTuple):
    """What was done, what nobody may find, and the folders of the terminals' and temporary files."""

    installation: Installation
    secrets: dict[str, Forms]

    @property
    def folders(self) -> list[Path]:
        return [self.installation.data, self.installation.tills]

    @property
    def everywhere(self) -> list[Path]:
        """What is left in the temporary folder is on the disk as well."""
        return [*self.folders, Path(os.environ["TMPDIR"])]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """In a folder that everybody may enter, so that only the data folders' own modes keep people out."""
    with tempfile.TemporaryDirectory(prefix="holdfast-secrets-") as name:
        Path(name).chmod(0o755)
        installation = Installation(Path(name), "--sample")
        try:
            installation.start()
            import_cards(installation)
            yield Session(installation, at_work(installation))
        finally:
            installation.end()


def import_cards(installation: Installation) -> None:
    """Accounts, two with a PIN; a hot card; a terminal. The file itself is the operator's to delete."""
    accounts = [account_of(pan) for pan in (KEYED, STRIPE, IN_FLIGHT, CHIPPED, ADVISED)]
    accounts += [account_of(pan) | {"pin": PIN} for pan in (WITH_PIN, AT_MENU)]
    key = sample.test_key("terminal P0000001")
    terminal = {"type": "terminal", "terminal_id": "P0000001", "merchant_id": HOTEL, "tmk": key}
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        write_csv(Path(file.name), [*accounts, terminal, {"type": "hot-card", "pan": HOT, "reason": "stolen"}])
        installation.run("import", file.name)


def at_work(installation: Installation) -> dict[str, Forms]:
    """Cards by every way in; -> what must be nowhere."""
    track = f"{STRIPE}={sample.EXPIRY}{TRACK_TAIL}"
    by_our_terminal(installation, track)
    at_the_menu(installation)
    secrets = by_a_standard_terminal(installation, track) | by_its_chip_and_its_upload(installation)
    left_open(installation)
    secrets |= {name: of_digits(pan) for name, pan in CARDS.items()}
    # Packed, a sample card is a few bytes between zeros, which stand in any file.
    of_sample = of_digits(sample_pan("grace"))
    secrets["sample card"] = {form: of_sample[form] for form in of_sample if "packed" not in form}
    secrets["end of track 2"] = of_digits(TRACK_TAIL)
    secrets["end of the chip's track 2"] = of_digits(CHIP_TRACK_TAIL)
    secrets["PIN"] = of_digits(PIN)
    secrets["passphrase"] = {"text": PASSPHRASE.encode()}
    for terminal_id in ("T0000001", "P0000001"):
        secrets[f"master key of {terminal_id}"] = of_bytes(bytes.fromhex(sample.test_key(f"terminal {terminal_id}")))
    return secrets


def by_our_terminal(installation: Installation, track: str) -> None:
    """Keyed, swiped, inserted, tapped, with a PIN, refused, and settled with what a chip did."""
    own = ("T0000001",)
    keyed = ("--card", KEYED, "--expiry", sample.EXPIRY)
    code = installation.terminal(*own, "pre-auth", "--amount", "50.00", *keyed).json["authorization_code"]
    installation.terminal(*own, "complete", "--amount", "40.00", "--original", code, *keyed)
    with_pin = ("--card", WITH_PIN, "--expiry", sample.EXPIRY, "--pin", PIN)
    installation.terminal(*own, "sale", "--amount", "50.00", *with_pin)
    installation.terminal(*own, "balance", *with_pin)
    installation.terminal(*own, "sale", "--amount", "50.00", "--card", f"track2:{track}")
    for read in ((), ("--tap",), ("--fallback",)):
        installation.terminal(*own, "sale", "--amount", "5.00", "--card", "grace", *read)
    for refused in (HOT, NOT_OURS):
        installation.terminal(*own, "pre-auth", "--amount", "1.00", "--card", refused, "--expiry", "3112", expect=1)
    assert installation.terminal(*own, "settle").json["balanced"]


def at_the_menu(installation: Installation) -> None:
    """A card number and a PIN, typed by a cashier; then the menu is left in English, which is remembered."""
    till = menu.Till(installation, "T0000002", "--operator", "01")
    try:
        # Each question has words that the page before it has not: a key that comes too early may be forgotten.
        till.fill_in(("主菜单", "2"), ("消费撤销", "1"), ("请选择（0-4）", "4"), ("卡号:", AT_MENU))
        till.fill_in(("有效期", sample.EXPIRY), ("金额:", "55.00"), ("RMB 55.00", "1"), ("密码:", PIN))
        till.fill_in(("交易成功", "Enter"), ("消费撤销", "l"))
        till.shows("Sale void")
        till.press("C-d")
        till.shows("ended with code 0")
    finally:
        till.end()


def by_a_standard_terminal(installation: Installation, track: str) -> dict[str, Forms]:
    """Track, PIN, and frames that are no messages though a card number stands in them."""
    with Till.signed_on(installation, "P0000001") as till:
        till.done(till.pre_auth(STRIPE, 10_00, de2="", de14="", de22="022", de35=track))
        entered = {"de22": "021", "de26": "12", "de53": PIN_CONTROL}
        clear = pin_block(PIN, WITH_PIN)
        till.done(till.pre_auth(WITH_PIN, 10_00, **entered, de52=till.block_of(PIN, WITH_PIN)))
        till.line.send(till.pre_auth(KEYED, 10_00) + b"\x00")
        till.line.send(b"\x60\x00\x00\x00\x00" + KEYED.encode() * 3)
        with Line(installation.at) as other:
            other.socket.sendall(STRIPE.encode() * 2)
            assert other.hung_up()
        till.mak, mak = bytes(8), till.mak
        till.line.ask(till.pre_auth(KEYED, 10_00))
        zone = bytes.fromhex(sample.test_key(f"zone PIN {sample.DEBIT_BANK}"))
        issuer = bytes.fromhex(sample.test_key(f"IMK AC {sample.DEBIT_BANK}"))
        return {
            "PIN block": of_bytes(clear),
            "PIN block of the terminal": of_bytes(till.block_of(PIN, WITH_PIN)),
            "PIN block for the issuer": of_bytes(encrypt_blocks(zone, clear)),
            "MAC key": of_bytes(mak),
            "PIN key": of_bytes(till.pik),
            "zone PIN key": of_bytes(zone),
            "issuer's chip key": of_bytes(issuer),
        }


def by_its_chip_and_its_upload(installation: Installation) -> dict[str, Forms]:
    """A chip that tells its number and track in DE55 as well; then an upload, with cards that the register lacks."""
    track = f"{CHIPPED}={sample.EXPIRY}{CHIP_TRACK_TAIL}"
    with Till.signed_on(installation, "P0000001") as till:
        till.stan = 100
        card = chip_of(CHIPPED)
        told = tlv.parse(asked_by(card, 70_00, "00"))
        on_chip = {"57": bytes.fromhex(track.replace("=", "D") + "F"), "5A": bytes.fromhex(CHIPPED)}
        read = read_by(card, tlv.pack({**told, **on_chip})) | {"35": track}
        sold, answer = till.done(till.sell(CHIPPED, 70_00, **read))
        assert card.accepts(answer.get_bytes(55))
        plain, _ = till.done(till.sell(KEYED, 30_00))
        batch = till.batch
        till.asks(till.settle(Totals(ClassTotals(), ClassTotals())))
        details = [
            Detail(CardClass.DOMESTIC, plain.get(11), MISREAD, 30_00),
            Detail(CardClass.DOMESTIC, "000777", CLAIMED, 1_00),
        ]
        assert till.code(till.upload_block(batch, *details)) == "00"
        assert till.code(till.upload_alone(batch, sold, "205")) == "00"
        assert till.code(till.upload_end(batch, 3, "202")) == "00"
        return {
            "chip's cryptogram": of_bytes(told[chip.CRYPTOGRAM]),
            "issuer's word to the chip": of_bytes(tlv.parse(answer.get_bytes(55))[chip.ISSUER_AUTHENTICATION]),
        }


def left_open(installation: Installation) -> None:
    """A stored reversal and a stored advice: their cards are needed again."""
    with mute_acquirer() as at:
        lost = ("pre-auth", "--amount", "60.00", "--card", IN_FLIGHT, "--expiry", sample.EXPIRY)
        installation.terminal("T0000001", "--patience", "1", *lost, expect=3, at=at)
    card = ("--card", ADVISED, "--expiry", sample.EXPIRY)
    code = installation.terminal("T0000002", "pre-auth", "--amount", "50.00", *card).json["authorization_code"]
    advised = ("advise", "--amount", "40.00", "--original", code, *card)
    assert installation.terminal("T0000002", *advised, at="127.0.0.1:1").json["outcome"] == "stored"


class mute_acquirer:  # noqa: N801 - used as a function
    """Somebody who listens and never answers; gives its address."""

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._listener.close()


# --- nobody else --------------------------------------------------------------------------------------------------


def test_nobody_else_can_enter_while_it_runs(session: Session) -> None:
    installation = session.installation
    sockets = [path for path in installation.data.rglob("*") if path.is_socket()]
    names = {path.name for path in sockets}
    assert {".s.PGSQL.5432", "issuer.iso", "issuer.door", "acquirer-1.door"} <= names
    places = [*map(str, files_of(session.folders)), *(f"{path}|socket" for path in sockets), *map(str, session.folders)]
    assert reached_by_nobody(places) == ""


def reached_by_nobody(places: list[str]) -> str:
    """What another user could reach; only root can try that, everybody else has the modes for it."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    tried = subprocess.run(
        ["/usr/bin/env", "python3", "-c", PLACES_TRIED, *places] if who else [sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **who,  # type: ignore[call-overload]
    )
    return str(tried.stdout)


def test_every_folder_and_file_is_its_owners(session: Session) -> None:
    for folder in session.folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        open_to_others = [
            f"{path} {stat.S_IMODE(path.stat().st_mode):o}"
            for path in folder.rglob("*")
            if not path.is_symlink() and path.stat().st_mode & 0o077
        ]
        assert open_to_others == []


# --- the search ---------------------------------------------------------------------------------------------------


def test_no_secret_is_found_in_any_form_and_a_planted_one_is(session: Session) -> None:
    session.installation.stop()
    files = files_of(session.folders)
    assert {"heap", "WAL", "journal", "log"} <= {kind_of(file) for file in files}
    assert search(session.everywhere, session.secrets) == []
    planted = session.installation.data / "logs" / "planted.bin"
    for what in ("keyed card", "PIN block"):
        for form, pattern in session.secrets[what].items():
            planted.write_bytes(b"\x17some bytes before" + pattern + b"some after\x00")
            assert Found(what, form, planted) in search([planted.parent], session.secrets)
    planted.unlink()
    session.installation.start()


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_a_number_that_is_encoded_with_what_stands_around_it_is_found(before: bytes, tmp_path: Path) -> None:
    around = before + KEYED.encode() + b" and more"
    packed = [f"12{KEYED}34", f"1{KEYED}D"]
    texts = [base64.b64encode(around), around.hex().encode(), *(bytes.fromhex(text) for text in packed)]
    for text in texts:
        (tmp_path / "file").write_bytes(text)
        assert search([tmp_path], {"card": of_digits(KEYED)}) != []


def test_no_secret_leaves_in_a_backup_or_an_export(session: Session, tmp_path: Path) -> None:
    run, data = session.installation.run, session.installation.data
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    passphrase.chmod(0o600)
    run("backup", "--out", tmp_path / "plain.backup")
    run("backup", "--out", tmp_path / "sealed.backup", "--with-keys", "--passphrase-file", passphrase)
    exports = [f"rows.{form}" for form in ("csv", "parquet", "xlsx")]
    exports += [f"entries.{form}" for form in ("csv", "parquet", "xlsx")]
    for name in exports:
        run("register", "export", "--out", tmp_path / name, *(("--entries",) if name.startswith("e") else ()))
    left = [unpacked(tmp_path / name, tmp_path) for name in ("plain.backup", "sealed.backup", *exports)]
    assert search(left, session.secrets | own_keys(data)) == []
    for folder in left:
        assert search([folder], {"mask of the keyed card": {"text": f"{KEYED[:6]}******{KEYED[-4:]}".encode()}}) != []
    assert "keys.sealed" in {file.name for file in files_of(left)}


def own_keys(data: Path) -> dict[str, Forms]:
    """The installation's master key, as its file has it."""
    _, key, _ = (data / "keys" / "master.key").read_text(encoding="ascii").split()
    return {"the installation's master key": of_bytes(bytes.fromhex(key))}


def kind_of(file: Path) -> str:
    """What a file of the folders is to a thief."""
    if "pg_wal" in file.parts:
        return "WAL"
    if "base" in file.parts:
        return "heap"
    if file.suffix.startswith(".sqlite"):
        return "journal"
    return "log" if file.suffix == ".log" else "other"


def test_what_is_needed_again_is_there_encrypted(session: Session) -> None:
    """The search is no proof of secrecy if the cards were never kept: stored reversal and stored advice still do."""
    assert session.installation.terminal("T0000001", "journal").rows[-1]["phase"] == "stored"
    for terminal_id in ("T0000001", "T0000002"):
        session.installation.terminal(terminal_id, "sync")
    assert session.installation.terminal("T0000001", "journal").rows[-1]["phase"] == "undone"
    (told,) = session.installation.register("--terminal", "T0000002", "--kind", "completion-advice")
    assert told["outcome"] == "approved"
