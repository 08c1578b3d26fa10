"""`holdfast keys`: keys come in halves, are known by their check values, and are never shown."""

import getpass
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from psec import tr31

from holdfast.edges import cli
from holdfast.edges.paper import WIDTH
from holdfast.keys import protection
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import MAK, TMK
from holdfast.keys.libraries import old_ciphers_unremarked

Typed = Callable[..., tuple[int, str, str]]

ONE, OTHER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("11223344556677888877665544332211")
SUM = bytes(a ^ b for a, b in zip(ONE, OTHER, strict=True))
CLEAR = bytes(range(16))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types `holdfast keys WORDS`: exit code, output, complaint."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["holdfast", "keys", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with keys."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    FileKeys.create(folder / "keys")
    return folder


@pytest.fixture
def component_files(tmp_path: Path) -> tuple[str, ...]:
    """The options that name the two components' files; one is written in groups."""
    (tmp_path / "one").write_text(ONE.hex(" ", 2).upper() + "\n")
    (tmp_path / "other").write_text(OTHER.hex())
    return ("--component-file", str(tmp_path / "one"), "--component-file", str(tmp_path / "other"))


# --- check values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cipher", "clear", "value"),
    [
        ("des", ONE, "08D7B4"),
        # As `openssl mac … CMAC` says.
        ("aes", bytes(16), "763CBCDE81"),
    ],
)
def test_check_values_are_those_of_the_trade(cipher: str, clear: bytes, value: str) -> None:
    assert protection.check_value(cipher, clear) == value


# --- show ---------------------------------------------------------------------------------------------------------


def test_show_names_what_is_there_and_no_key(typed: Typed, data: Path) -> None:
    protection.load(data / "keys", "aes", bytes(range(32)))
    code, out, _ = typed("show", "--data", data, "--json")
    rows = {row["key"]: row for row in map(orjson.loads, out.splitlines())}
    assert code == 0
    assert list(rows) == ["master", "signing", "protection-aes", "protection-des"]
    assert rows["signing"]["check_value"] == FileKeys.open(data / "keys").public_key().hex()
    assert rows["protection-aes"]["check_value"] == protection.check_value("aes", bytes(range(32)))
    assert (rows["protection-des"]["algorithm"], rows["protection-des"]["check_value"]) == ("triple DES", "")
    assert bytes(range(32)).hex() not in out.lower()
    code, out, _ = typed("show", "--data", data)
    assert (code, "none" in out) == (0, True)


def test_without_keys_there_is_nothing_to_show(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir(mode=0o700)
    for folder, says in ((tmp_path / "new", "holds no keys"), (tmp_path / "absent", "cannot be reached")):
        code, out, complaint = typed("show", "--data", folder)
        assert (code, out, complaint.count("\n")) == (4, "", 1)
        assert says in complaint


def test_a_torn_key_is_told_in_one_line(typed: Typed, data: Path) -> None:
    protection.load(data / "keys", "aes", bytes(range(32)))
    path = data / "keys" / "protection-aes.key"
    path.write_bytes(path.read_bytes()[:-4])
    code, out, complaint = typed("show", "--data", data)
    assert (code, out, complaint.count("\n")) == (4, "", 1)
    assert "is torn or changed" in complaint


# --- make ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cipher", "size"), [("aes", 32), ("des", 24)])
def test_what_is_made_is_the_sum_of_what_is_told(typed: Typed, data: Path, cipher: str, size: int) -> None:
    code, out, _ = typed("protection", "make", "--data", data, "--cipher", cipher, "--json")
    told = orjson.loads(out)
    one, other = (bytes.fromhex(each["component"]) for each in told["components"])
    assert (code, len(one), len(other)) == (0, size, size)
    clear = bytes(a ^ b for a, b in zip(one, other, strict=True))
    assert protection.read(data / "keys", cipher) == clear
    assert told["check_value"] == protection.check_value(cipher, clear)
    assert [each["check_value"] for each in told["components"]] == [
        protection.check_value(cipher, each) for each in (one, other)
    ]


def test_paper_for_two_keepers(typed: Typed, data: Path) -> None:
    code, out, _ = typed("protection", "make", "--data", data)
    assert code == 0
    paper = out.splitlines()[:-1]
    assert all(len(line) <= WIDTH for line in paper)
    groups = ["".join(line.split()) for line in paper if len(line.split()) == 4 and len("".join(line.split())) == 16]
    one, other = bytes.fromhex("".join(groups[:4])), bytes.fromhex("".join(groups[4:]))
    clear = protection.read(data / "keys", "aes")
    assert bytes(a ^ b for a, b in zip(one, other, strict=True)) == clear
    assert out.count("For keeper 1 alone") == out.count("For keeper 2 alone") == 1
    assert protection.check_value("aes", clear) in out.splitlines()[-1]


def test_at_a_screen_each_keeper_is_alone_with_his_half(
    typed: Typed, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", asked.append)
    code, out, _ = typed("protection", "make", "--data", data)
    assert (code, len(asked)) == (0, 2)
    first, second, last = out.split("\033[2J\033[3J\033[H")
    assert ("COMPONENT 1 OF 2" in first, "COMPONENT 2 OF 2" in second) == (True, True)
    assert last.startswith("check value of the key: ")


# --- load ---------------------------------------------------------------------------------------------------------


def test_a_key_out_of_two_files(typed: Typed, data: Path, component_files: tuple[str, ...]) -> None:
    value = protection.check_value("aes", SUM)
    words = ("protection", "load", "--data", data, *component_files, "--check-value", value[:6].lower())
    code, out, complaint = typed(*words)
    assert (code, complaint) == (0, "")
    assert f"check value of the key: {value}" in out
    assert protection.read(data / "keys", "aes") == SUM
    code, out, complaint = typed(*words)
    assert (code, out, complaint.count("\n")) == (2, "", 1)
    assert "holds a key already" in complaint


def test_a_key_typed_by_two_keepers(typed: Typed, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, code, kept in ((False, 1, False), (True, 0, True)):
        components = iter((ONE.hex(), OTHER.hex(" ")))
        monkeypatch.setattr(getpass, "getpass", lambda prompt, given=components: next(given))
        monkeypatch.setattr("typer.confirm", lambda says, err, answer=answer: answer)
        ended, out, complaint = typed("protection", "load", "--data", data, "--cipher", "des")
        assert (ended, (data / "keys" / "protection-des.key").exists()) == (code, kept)
        assert "its check value: 08D7B4" in complaint
        assert ONE.hex() not in (out + complaint).lower()
    assert protection.read(data / "keys", "des") == SUM


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "components are typed at a screen"),
        (("--component-file", "{one}"), "--component-file was given 1 time: give it twice"),
        (("--component-file", "{one}", "--component-file", "{one}"), "or both are the same"),
        (("--component-file", "{one}", "--component-file", "{zeros}"), "a component is all zeros"),
        (("--component-file", "{one}", "--component-file", "{longer}"), "the components have 16 and 24 bytes"),
        (("--component-file", "{one}", "--component-file", "{short}"), "{short} has 16 hex digits: of a key for aes"),
        (("--component-file", "{one}", "--component-file", "{odd}"), "{odd} is not hex digits"),
        (("--component-file", "{one}", "--component-file", "{absent}"), "{absent} cannot be read"),
        (
            ("--component-file", "{one}", "--component-file", "{other}", "--check-value", "123456"),
            "not 123456 (components: ",
        ),
        (("--component-file", "{one}", "--component-file", "{other}", "--check-value", "12"), "nothing was loaded"),
        (("--cipher", "rsa"), "invalid value for '--cipher'"),
    ],
)
def test_a_key_that_cannot_be_loaded_is_one_line_and_leaves_nothing(
    typed: Typed, data: Path, tmp_path: Path, component_files: tuple[str, ...], words: tuple[str, ...], says: str
) -> None:
    texts = {"zeros": "00" * 16, "longer": "11" * 24, "short": ONE.hex()[:16], "odd": ONE.hex()[1:]}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    names = {name: str(tmp_path / name) for name in (*texts, "one", "other", "absent")}
    code, out, complaint = typed("protection", "load", "--data", data, *(word.format(**names) for word in words))
    assert (code, out, complaint.count("\n")) == (2, "", 1)
    assert says.format(**names) in complaint
    assert ONE.hex() not in complaint.lower()
    assert not list((data / "keys").glob("protection*"))


# --- block --------------------------------------------------------------------------------------------------------


def wrapped(protecting: bytes, head: str) -> str:
    with old_ciphers_unremarked():
        block: str = tr31.wrap(protecting, head, CLEAR)
    return block


def test_a_block_in_words(typed: Typed, tmp_path: Path) -> None:
    block = wrapped(bytes(range(32)), "D0000K0TB00E0000")
    (tmp_path / "block").write_text(f"{block}\n")
    for named in (block, str(tmp_path / "block")):
        code, out, _ = typed("block", named, "--json")
        assert (code, orjson.loads(out)) == (
            0,
            {
                "version": "D",
                "protected_by": "aes",
                "usage": "K0",
                "usage_says": "key encryption key",
                "algorithm": "T",
                "algorithm_says": "triple DES",
                "mode": "B",
                "mode_says": "encrypts and decrypts",
                "exportability": "E",
                "exportability_says": "exportable under a trusted key",
                "serves_as": ["tmk"],
            },
        )
    code, out, _ = typed("block", wrapped(bytes(range(24)), "B0000P0TE00N0000"))
    assert code == 0
    for words in ("version B, protected by triple DES", "PIN encryption key", "encrypts only", "not exportable"):
        assert words in out
    code, out, _ = typed("block", wrapped(bytes(range(24)), "B0000V2TV00N0000"))
    assert (code, "nothing" in out) == (0, True)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (ONE.hex(), "this is no TR-31 block but a key in clear"),
        ("block.txt", "there is no such file, and the text is no TR-31 block"),
        ("", "there is no such file"),
        ("E0112K0TB00E0000" + "0" * 96, "no TR-31 block, which begins with A, B, C or D"),
        ("D0112K0TB00E0000" + "0" * 80, "says that it is 0112 characters long, but it is 96"),
    ],
)
def test_what_is_no_block_is_told_without_repeating_it(typed: Typed, named: str, says: str) -> None:
    code, out, complaint = typed("block", named)
    assert (code, out, complaint.count("\n")) == (2, "", 1)
    assert says in complaint
    assert not named or named not in complaint


# --- together -----------------------------------------------------------------------------------------------------


def test_a_block_under_a_made_key_is_the_key_that_was_wrapped(data: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "holdfast", "keys", "protection", "make", "--data", str(data), "--json"],
        capture_output=True,
        check=True,
    )
    one, other = (bytes.fromhex(each["component"]) for each in orjson.loads(made.stdout)["components"])
    block = wrapped(bytes(a ^ b for a, b in zip(one, other, strict=True)), "D0000K0TB00E0000")
    keys = FileKeys.open(data / "keys")
    working = keys.new_working_key(MAK, 16)
    under = [keys.export_under(keys.import_text(TMK, text), working) for text in (block, CLEAR.hex())]
    assert under[0] == under[1]
