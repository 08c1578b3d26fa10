"""`holdfast keys …`: what the keys folder holds, and the key under which others wrap keys for this installation.

Rule 1: check values are shown, keys never; but for the two components of a key that is being made, once.
Rule 2: a protection key comes and goes in two components, each in the hands of one person: neither knows the key.
"""

import getpass
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeAlias

import typer

from holdfast.clock import local_date
from holdfast.edges.output import print_json, print_table
from holdfast.edges.paper import RULE, centred, labelled, wrapped
from holdfast.edges.places import DataOption, JsonOption, KeysOption, data_path
from holdfast.errors import BadInput, KeyRefused, Unreachable
from holdfast.keys import folder, keyblock, protection
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import PURPOSES
from holdfast.runtime.config import notice_of
from holdfast.runtime.datafolder import DataFolder

Cipher: TypeAlias = Literal["aes", "des"]

CIPHER_NAMES = {protection.DES: "triple DES", protection.AES: "AES"}
CHECK_DIGITS_MIN = 6
TEXT_BYTES_MAX = 10_000
"""A TR-31 block says its length in four digits."""

CLEAR_SCREEN = "\033[2J\033[3J\033[H"
"""What was scrolled away, too."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="The installation's keys, and TR-31 blocks."
)
protecting = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The key under which others wrap keys for this installation (TR-31).",
)
app.add_typer(protecting, name="protection")

CipherOption = Annotated[
    Cipher, typer.Option("--cipher", help="aes protects blocks of version D, des those of version A, B and C.")
]


class Held(NamedTuple):
    """One key of the folder. `check_value` is "" where there is no such key; of the signing key it is the public key
    in full, which is no secret.
    """

    key: str
    algorithm: str
    check_value: str
    use: str


# --- show ---------------------------------------------------------------------------------------------------------


@app.command("show")
def show(data: DataOption = None, keys: KeysOption = None, json: JsonOption = False) -> None:
    """Show what keys the folder holds, by their check values alone."""
    at = keys_folder(data, keys)
    held = list(held_in(at))
    if json:
        for key in held:
            print_json(key._asdict())
        return
    rows = [(key.key, key.algorithm, key.check_value or "none", key.use) for key in held]
    print_table(f"keys in {at}", ("key", "algorithm", "check value", "what it is for"), rows)


def held_in(at: Path) -> Iterator[Held]:
    """Every key that may lie in a folder of keys; KeyRefused when what lies there is not whole."""
    files = folder.read(at)
    # A check value must say nothing of the key's other uses: this subkey has no other.
    check = folder.subkey(files.master, "check-value").hex().upper()[: protection.CHECK_DIGITS[protection.AES]]
    public = FileKeys(*files, at).public_key().hex()
    yield Held("master", "AES, 32 bytes", check, "encrypts every other key, and card numbers")
    yield Held("signing", "Ed25519", public, "signs checkpoints; this is its public key, for `check-proof --key`")
    for cipher, versions in ((protection.AES, "D"), (protection.DES, "A, B and C")):
        there = protection.version(at, cipher) is not None
        clear = protection.read(at, cipher) if there else b""
        algorithm = f"{CIPHER_NAMES[cipher]}, {len(clear)} bytes" if there else CIPHER_NAMES[cipher]
        value = protection.check_value(cipher, clear) if there else ""
        yield Held(f"protection-{cipher}", algorithm, value, f"opens TR-31 blocks of version {versions}")


# --- protection ---------------------------------------------------------------------------------------------------


@protecting.command("make")
def make(
    data: DataOption = None, cipher: CipherOption = "aes", keys: KeysOption = None, json: JsonOption = False
) -> None:
    """Make the key, and print its two components, once, for those who wrap keys for this installation."""
    at = free_folder(data, keys, cipher)
    components = protection.make(at, cipher)
    whole = protection.check_value(cipher, xored(*components))
    if json:
        shown = [
            {"component": component.hex().upper(), "check_value": protection.check_value(cipher, component)}
            for component in components
        ]
        print_json({"cipher": cipher, "check_value": whole, "components": shown})
        return
    watched = sys.stdin.isatty() and sys.stdout.isatty()
    for number, component in enumerate(components, 1):
        sys.stdout.write("\n".join(component_slip(cipher, number, component, whole)) + "\n\n")
        sys.stdout.flush()
        if watched:
            getpass.getpass(f"Keeper {number} has it on paper: Enter clears the screen. ")
            sys.stdout.write(CLEAR_SCREEN)
    sys.stdout.write(f"check value of the key: {whole}; kept in {at / protection.FILES[cipher]}\n")


def component_slip(cipher: str, number: int, component: bytes, whole: str) -> list[str]:
    """What one of the two people takes along."""
    digits = component.hex().upper()
    groups = [digits[at : at + 4] for at in range(0, len(digits), 4)]
    return [
        RULE,
        *centred("KEY-BLOCK PROTECTION KEY"),
        *centred(f"COMPONENT {number} OF 2"),
        RULE,
        *labelled("CIPHER", CIPHER_NAMES[cipher]),
        *labelled("SIZE", f"{len(component)} bytes"),
        *labelled("DATE", local_date(time.time_ns() // 1000).isoformat()),
        "",
        *(" ".join(groups[at : at + 4]).center(len(RULE)).rstrip() for at in range(0, len(groups), 4)),
        "",
        *labelled("CHECK", protection.check_value(cipher, component)),
        *labelled("KEY'S CHECK", whole),
        RULE,
        *wrapped(
            f"For keeper {number} alone: one person here, one where keys are wrapped for us, each in a sealed "
            "envelope. Who has seen it must never see the other component. It is not shown again."
        ),
        RULE,
    ]


@protecting.command("load")
def load(
    data: DataOption = None,
    cipher: CipherOption = "aes",
    files: Annotated[
        list[Path] | None,
        typer.Option("--component-file", metavar="FILE", help="A component in hex digits; given twice."),
    ] = None,
    check_value: Annotated[
        str, typer.Option("--check-value", metavar="HEX", help="What the key's check value must be.")
    ] = "",
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Load a key that was agreed upon elsewhere, from its two components: typed without echo, or in two files."""
    at = free_folder(data, keys, cipher)
    one, other = components_in(files, cipher) if files else components_typed(cipher)
    if len(one) != len(other):
        raise BadInput(f"the components have {len(one)} and {len(other)} bytes: of one key, both have the same size")
    clear = xored(one, other)
    if not any(clear) or not any(one) or not any(other):
        raise BadInput("a component is all zeros, or both are the same: then one person alone would know the key")
    said = protection.check_value(cipher, clear)
    if check_value:
        refuse_unless_same(check_value, said, [protection.check_value(cipher, each) for each in (one, other)])
    elif not files and not typer.confirm(f"check value of the key: {said}; keep this key?", err=True):
        raise typer.Exit(1)
    protection.load(at, cipher, clear)
    if json:
        print_json({"cipher": cipher, "check_value": said})
    else:
        sys.stdout.write(f"check value of the key: {said}; kept in {at / protection.FILES[cipher]}\n")


def components_in(files: Sequence[Path], cipher: str) -> list[bytes]:
    """The two components that lie in files."""
    if len(files) != 2:
        raise BadInput(f"--component-file was given {len(files)} time{'s'[: len(files) > 1]}: give it twice")
    return [component_of(read_text(file), cipher, str(file)) for file in files]


def components_typed(cipher: str) -> list[bytes]:
    """The two components, each typed by its keeper, who sees whether its check value is right."""
    if not sys.stdin.isatty():
        raise BadInput("components are typed at a screen: where there is none, give --component-file twice")
    components = []
    for number in (1, 2):
        typed = getpass.getpass(f"component {number} of 2, hex digits (not shown): ")
        components.append(component_of(typed, cipher, f"component {number}"))
        sys.stderr.write(f"its check value: {protection.check_value(cipher, components[-1])}\n")
    return components


def component_of(text: str, cipher: str, what: str) -> bytes:
    """A component in hex digits, which may stand in groups; BadInput repeats none of them."""
    try:
        component = bytes.fromhex("".join(text.split()))
    except ValueError:
        raise BadInput(f"{what} is not hex digits, two for each byte") from None
    if len(component) not in protection.SIZES[cipher]:
        *some, last = (str(2 * size) for size in protection.SIZES[cipher])
        wanted = f"{', '.join(some)} or {last}"
        raise BadInput(f"{what} has {2 * len(component)} hex digits: of a key for {cipher}, it has {wanted}")
    return component


def refuse_unless_same(wanted: str, said: str, of_components: Sequence[str]) -> None:
    """BadInput unless that is the check value, of which others may print fewer or more digits."""
    digits = "".join(wanted.split()).upper()
    if len(digits) < CHECK_DIGITS_MIN or not (said.startswith(digits) or digits.startswith(said)):
        components = " and ".join(of_components)
        raise BadInput(f"check value of the key is {said}, not {digits} (components: {components}); nothing was loaded")


def xored(one: bytes, other: bytes) -> bytes:
    """The key of two components."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


# --- blocks -------------------------------------------------------------------------------------------------------


@app.command("block")
def block(
    named: Annotated[str, typer.Argument(metavar="FILE|TEXT", help="A TR-31 block, or a file with one; - is stdin.")],
    json: JsonOption = False,
) -> None:
    """Say what a TR-31 block is, in words: needs no key, and shows none."""
    text = block_text(named)
    try:
        head = keyblock.read_key_block(text)
    except KeyRefused as refused:
        none = "there is no such file, and the text is no TR-31 block, which begins with A, B, C or D"
        raise BadInput(str(refused) if text[:1] in keyblock.PROTECTED_BY else none) from refused
    fits = [purpose for purpose in PURPOSES if serves(purpose, text)]
    protected_by = keyblock.PROTECTED_BY[head.version]
    said = [
        ("usage", head.usage, keyblock.USAGES.get(head.usage, "key of another kind")),
        ("algorithm", head.algorithm, keyblock.ALGORITHMS.get(head.algorithm, "algorithm of another kind")),
        ("mode", head.mode, keyblock.MODES.get(head.mode, "mode of another kind")),
        ("exportability", head.exportability, keyblock.EXPORTS.get(head.exportability, "export rule of another kind")),
    ]
    if json:
        letters = {name: letter for name, letter, _ in said} | {f"{name}_says": words for name, _, words in said}
        print_json({"version": head.version, "protected_by": protected_by, **letters, "serves_as": fits})
        return
    title = f"TR-31 block of version {head.version}, protected by {CIPHER_NAMES[protected_by]}"
    rows = [*said, ("serves here as", "", ", ".join(fits) or "nothing")]
    print_table(title, ("", "in the block", "in words"), rows)


def block_text(named: str) -> str:
    """What is to be explained; BadInput for a key in clear, which nobody should have in his hands."""
    text = sys.stdin.read(TEXT_BYTES_MAX) if named == "-" else read_text(Path(named)) if is_file(named) else named
    text = text.strip()
    if len(text) in keyblock.CLEAR_DIGITS and all(digit in "0123456789abcdefABCDEF" for digit in text):
        raise BadInput("this is no TR-31 block but a key in clear: destroy it, and have it sent wrapped")
    return text


def serves(purpose: str, text: str) -> bool:
    """Whether the block would be taken for this purpose, if it holds."""
    try:
        keyblock.check_key_text(purpose, text)
    except KeyRefused:
        return False
    return True


# --- what the commands share --------------------------------------------------------------------------------------


def keys_folder(data: Path | None, keys: Path | None) -> Path:
    """The folder of keys that is meant: --keys, else the one that what runs in the data folder uses, else its own."""
    if keys is not None:
        return keys
    kept = DataFolder(data_path(data), create=False)
    try:
        return Path(notice_of(kept).keys)
    except Unreachable:
        return kept.keys


def free_folder(data: Path | None, keys: Path | None, cipher: str) -> Path:
    """The folder, which has keys but no protection key of this cipher; BadInput when it has one."""
    at = keys_folder(data, keys)
    folder.read(at)
    if protection.version(at, cipher) is not None:
        path = at / protection.FILES[cipher]
        raise BadInput(f"{path} holds a key already: remove it when no block under it is awaited any more")
    return at


def is_file(named: str) -> bool:
    """Whether that names a file; a long block is no name at all."""
    try:
        return Path(named).is_file()
    except OSError:
        return False


def read_text(file: Path) -> str:
    """A small text file."""
    try:
        with file.open("rb") as opened:
            return opened.read(TEXT_BYTES_MAX).decode("ascii")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not plain text") from None
