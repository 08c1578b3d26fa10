"""Searches files for secrets in whatever form they may lie there; what is packed is unpacked first."""

import base64
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from holdfast.runtime.embedded import find_binaries

Forms = dict[str, bytes]
"""Form -> the bytes to look for."""


# --- forms in which a secret may lie on a disk --------------------------------------------------------------------


def in_base64(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Whatever stands before it: the characters that depend on these bytes alone, at each of three alignments."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw + bytes(3))
        first = -(-before * 8 // 6)
        yield f"base64 at {before}", text[first : (before + len(raw)) * 8 // 6]


def of_bytes(raw: bytes) -> Forms:
    """A block or key."""
    text = raw.hex()
    return {"raw": raw, "hex": text.encode(), "HEX": text.upper().encode(), **dict(in_base64(raw))}


def of_digits(digits: str) -> Forms:
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


def search(folders: Sequence[Path], secrets: dict[str, Forms]) -> list[Found]:
    """Every secret in every file, in whatever form."""
    found = []
    for file in files_of(folders):
        content = file.read_bytes().rstrip(b"\0")
        for what, forms in secrets.items():
            found += [Found(what, form, file) for form, pattern in forms.items() if pattern in content]
    return found


def files_of(folders: Sequence[Path]) -> Sequence[Path]:
    """All that can be read."""
    return [
        path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()
    ]


# --- what is packed -----------------------------------------------------------------------------------------------


def unpacked(file: Path, folder: Path) -> Path:
    """A folder with the file and, beside it, what can be read of it only when it is unpacked: the parts of a backup
    (those of PostgreSQL as SQL), the sheets of a workbook, the rows of a Parquet file.
    """
    into = folder / f"{file.name}.unpacked"
    into.mkdir()
    shutil.copy(file, into)
    if file.suffix == ".parquet":
        rows = duckdb.read_parquet(str(file)).fetchall()
        (into / "rows").write_text(repr(rows), encoding="utf-8")
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            archive.extractall(into)
    for dump in into.glob("*.dump"):
        as_sql: list[str | Path] = [find_binaries() / "pg_restore", "--file", dump.with_suffix(".sql"), dump]
        subprocess.run(as_sql, check=True, timeout=60, capture_output=True)
    return into
