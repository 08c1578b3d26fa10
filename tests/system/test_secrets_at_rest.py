"""What a thief of the disk finds: no card number, no track, no PIN, no key, in no form; and nobody else may even look.

A session that has shown them all to terminal and acquirer; then everything is stopped, one terminal in the middle of a
request, and each raw file of both data folders is searched, PostgreSQL's heap and WAL like any other.
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
from tests.system.installation import HOTEL, Installation, account_of, write_csv
from tests.system.till import Line, Till

PIN = "739164820517"
TRACK_TAIL = "2010000417926358"
"""Behind the expiry on the track: service code and what the issuer put there."""

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


KEYED, STRIPE, WITH_PIN, HOT, IN_FLIGHT, NOT_OURS = (card(number) for number in range(917_352_801, 917_352_807))


# --- forms in which a secret may lie on a disk --------------------------------------------------------------------


def in_base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Whatever stands before it: the characters that depend on these bytes alone, at each of three alignments."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw + bytes(3))
        first = -(-before * 8 // 6)
        yield f"base64 at {before}", text[first : (before + len(raw)) * 8 // 6]


def of_bytes(raw: bytes) -> dict[str, bytes]:
    """A block or key."""
    text = raw.hex()
    return {"raw": raw, "hex": text.encode(), "HEX": text.upper().encode(), **dict(in_base64(raw))}


def of_digits(digits: str) -> dict[str, bytes]:
    """A number. Packed BCD may begin with either nibble of a byte; then the first and the last digit are shared."""
    text = digits.encode()
    inner = digits[1 : 1 + (len(digits) - 1) // 2 * 2]
    return {
        "ASCII": text,
        "packed BCD": bytes.fromhex(digits[: len(digits) // 2 * 2]),
        "packed BCD, shifted": bytes.fromhex(inner),
        "hex of ASCII": text.hex().encode(),
        "UTF-16 LE": digits.encode("utf-16-le"),
        "UTF-16 BE": digits.encode("utf-16-be"),
        **dict(in_base64(text)),
    }


class Found(NamedTuple):
    """A secret on the disk."""

    what: str
    form: str
    file: Path


def search(folders: list[Path], secrets: dict[str, dict[str, bytes]]) -> list[Found]:
    """Every secret in every file, in whatever form."""
    found = []
    for file in files_of(folders):
        content = file.read_bytes().rstrip(b"\0")
        for what, forms in secrets.items():
            found += [Found(what, form, file) for form, pattern in forms.items() if pattern in content]
    return found


def files_of(folders: list[Path]) -> list[Path]:
    """All that can be read."""
    return [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()
    ]


# --- the session --------------------------------------------------------------------------------------------------


class Session(NamedTuple):
    """What was done, and what nobody may find."""

    installation: Installation
    secrets: dict[str, dict[str, bytes]]

    @property
    def folders(self) -> list[Path]:
        return [self.installation.data, self.installation.tills]


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
    """Accounts, one with a PIN; a hot card; a terminal. The file itself is the operator's to delete."""
    accounts = [account_of(pan) for pan in (KEYED, STRIPE, IN_FLIGHT)] + [account_of(WITH_PIN) | {"pin": PIN}]
    key = sample.test_key("terminal P0000001")
    terminal = {"type": "terminal", "terminal_id": "P0000001", "merchant_id": HOTEL, "tmk": key}
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        write_csv(Path(file.name), [*accounts, terminal, {"type": "hot-card", "pan": HOT, "reason": "stolen"}])
        installation.run("import", file.name)


def at_work(installation: Installation) -> dict[str, dict[str, bytes]]:
    """Cards by every way in; -> what must be nowhere."""
    track = f"{STRIPE}={sample.EXPIRY}{TRACK_TAIL}"
    own = ("T0000001",)
    keyed = ("--card", KEYED, "--expiry", sample.EXPIRY)
    code = installation.terminal(*own, "pre-auth", "--amount", "50.00", *keyed).json["authorization_code"]
    installation.terminal(*own, "complete", "--amount", "40.00", "--original", code, *keyed)
    installation.terminal(*own, "pre-auth", "--amount", "50.00", "--card", f"track2:{track}")
    for refused in (HOT, NOT_OURS):
        installation.terminal(*own, "pre-auth", "--amount", "1.00", "--card", refused, "--expiry", "3112", expect=1)
    secrets = by_a_standard_terminal(installation, track)
    with mute_acquirer() as at:
        lost = ("pre-auth", "--amount", "60.00", "--card", IN_FLIGHT, "--expiry", sample.EXPIRY)
        installation.terminal(*own, "--patience", "1", *lost, expect=3, at=at)
    for name in ("KEYED", "STRIPE", "WITH_PIN", "HOT", "IN_FLIGHT", "NOT_OURS"):
        secrets[name] = of_digits(globals()[name])
    secrets["end of track 2"] = of_digits(TRACK_TAIL)
    secrets["PIN"] = of_digits(PIN)
    for terminal_id in ("T0000001", "P0000001"):
        secrets[f"master key of {terminal_id}"] = of_bytes(bytes.fromhex(sample.test_key(f"terminal {terminal_id}")))
    return secrets


def by_a_standard_terminal(installation: Installation, track: str) -> dict[str, dict[str, bytes]]:
    """Track, PIN, and frames that are no messages though a card number stands in them."""
    with Till.signed_on(installation, "P0000001") as till:
        till.asks(till.pre_auth(STRIPE, 10_00, de2="", de14="", de22="022", de35=track))
        entered = {"de22": "021", "de26": "12", "de53": "26".ljust(16, "0")}
        clear = pin_block(PIN, WITH_PIN)
        assert till.code(till.pre_auth(WITH_PIN, 10_00, **entered, de52=till.block_of(PIN, WITH_PIN))) == "00"
        till.line.send(till.pre_auth(KEYED, 10_00) + b"\x00")
        till.line.send(b"\x60\x00\x00\x00\x00" + KEYED.encode() * 3)
        with Line(installation.at) as other:
            other.socket.sendall(STRIPE.encode() * 2)
            assert other.hung_up()
        till.mak, mak = bytes(8), till.mak
        till.line.ask(till.pre_auth(KEYED, 10_00))
        zone = bytes.fromhex(sample.test_key(f"zone PIN {sample.DEBIT_BANK}"))
        return {
            "PIN block": of_bytes(clear),
            "PIN block of the terminal": of_bytes(till.block_of(PIN, WITH_PIN)),
            "PIN block for the issuer": of_bytes(encrypt_blocks(zone, clear)),
            "MAC key": of_bytes(mak),
            "PIN key": of_bytes(till.pik),
            "zone PIN key": of_bytes(zone),
        }


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
    assert search(session.folders, session.secrets) == []
    planted = session.installation.data / "logs" / "planted.bin"
    for what in ("KEYED", "PIN block"):
        for form, pattern in session.secrets[what].items():
            planted.write_bytes(b"\x17some bytes before" + pattern + b"some after\x00")
            assert Found(what, form, planted) in search([planted.parent], session.secrets)
    planted.unlink()


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_a_number_that_is_encoded_with_what_stands_around_it_is_found(before: bytes, tmp_path: Path) -> None:
    around = before + KEYED.encode() + b" and more"
    packed = [f"12{KEYED}34", f"1{KEYED}D"]
    texts = [base64.b64encode(around), around.hex().encode(), *(bytes.fromhex(text) for text in packed)]
    for text in texts:
        (tmp_path / "file").write_bytes(text)
        assert search([tmp_path], {"card": of_digits(KEYED)}) != []


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
    """The search is no proof of secrecy if the card was never kept at all: the stored reversal still has it."""
    again = session.installation.terminal("T0000001", "journal").rows
    assert again[-1]["phase"] == "stored"
    session.installation.start()
    session.installation.terminal("T0000001", "sync")
    assert session.installation.terminal("T0000001", "journal").rows[-1]["phase"] == "undone"
