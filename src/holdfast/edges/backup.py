"""`holdfast backup` and `holdfast restore`: an installation in one file, and out of it again."""

import asyncio
import json as json_text
import stat
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from holdfast.clock import rfc3339
from holdfast.edges import register_output as show_as
from holdfast.edges.open_reader import Installation, installation
from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, data_path
from holdfast.edges.register import verified
from holdfast.edges.up import tell
from holdfast.edges.whole_file import put_in_place
from holdfast.errors import BadInput, KeyRefused, Unreachable
from holdfast.ids import entry_id
from holdfast.keys.passphrase import refuse_short, seal, unseal
from holdfast.reading.audit import Audited
from holdfast.register.restoration import Restoration
from holdfast.runtime.archive import SEALED_KEYS, Backup, Manifest, opened, writing
from holdfast.runtime.backup import back_up, key_texts
from holdfast.runtime.config import installation_of, notice_of
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.restore import Source, kept_in, kept_of, refuse_used, staged
from holdfast.runtime.roles import ensure_database

NO = 1

PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="The first line is the passphrase; asked for without it."),
]


def backup(
    out: Annotated[str, typer.Option("--out", metavar="FILE|DIR", help="Where to; in a folder it gets a name.")],
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="The keys too, sealed under a passphrase; else they stay apart.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write register, book and all that belongs to them into one file, as of one moment; also while `up` serves."""
    if passphrase_file is not None and not with_keys:
        raise BadInput("--passphrase-file is for --with-keys: without it the backup holds no keys")
    path = data_path(data)
    place = place_of(out, path)
    passphrase = new_passphrase(passphrase_file) if with_keys else None
    with put_in_place(place, force) as draft:
        manifest = asyncio.run(write_backup(path, data, db, keys, passphrase, draft))
    print_backup(place, manifest, json)


def place_of(out: str, path: Path) -> Path:
    """The file that is meant; BadInput inside the folder that is backed up, and for a folder that is not there."""
    place = Path(out).expanduser()
    if place.is_dir() or out.endswith("/"):
        place /= f"holdfast-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"
    if place.resolve().is_relative_to(path.resolve()):
        raise BadInput(f"{place} is inside the data folder: a backup belongs on another disk")
    return place


async def write_backup(
    path: Path, data: Path | None, db: str, keys: Path | None, passphrase: str | None, draft: Path
) -> Manifest:
    """The archive in `draft`."""
    async with awake(path, data, db, keys) as (at, name):
        sealed = None if passphrase is None else seal(passphrase, json_text.dumps(key_texts(at.keys)).encode())
        with writing(draft) as writer:
            return await back_up(writer, at.dsns, at.keys, name, sealed, now_us())


@asynccontextmanager
async def awake(path: Path, data: Path | None, db: str, keys: Path | None) -> AsyncIterator[tuple[Installation, str]]:
    """The installation with a running database, and its name: that of `up`, or started meanwhile."""
    if db:
        yield installation(data, db, keys), ""
        return
    folder = DataFolder(path, create=False)
    try:
        notice_of(folder)
    except Unreachable:
        if not (folder.postgres / "PG_VERSION").exists():
            raise Unreachable(f"{folder.path} has no database of its own: name its server with --db") from None
        with folder.lock("backup"):
            server = EmbeddedPostgres(folder, tell)
            try:
                kept = folder.keys if keys is None else keys
                yield Installation(await ensure_database(await server.start(), kept), kept), installation_of(folder)
            finally:
                await server.stop()
    else:
        yield installation(data, db, keys), installation_of(folder)


def print_backup(place: Path, manifest: Manifest, json: bool) -> None:
    """What is in it, and what is not."""
    sealed = SEALED_KEYS in manifest.parts
    if json:
        logs = [{"log": log.log, "size": log.size, "root": log.root} for log in manifest.logs]
        print_json(
            {
                "file": str(place),
                "bytes": place.stat().st_size,
                "made_at": rfc3339(manifest.made_us),
                "keys": "sealed" if sealed else "apart",
                "logs": logs,
            }
        )
        return
    rows = ((log.log, log.size, _at(log.last_us)) for log in manifest.logs)
    print_table("backed up", ("log", "entries", "up to"), rows)
    sys.stdout.write(f"{place} ({place.stat().st_size:,} bytes) was made at {rfc3339(manifest.made_us)}\n")
    if sealed:
        sys.stdout.write("It holds the keys, sealed: whoever has it and the passphrase has everything.\n")
    else:
        sys.stdout.write("It holds no keys: keep the keys folder elsewhere too; `holdfast restore` needs --keys.\n")


# --- restore ------------------------------------------------------------------------------------------------------


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `holdfast backup` made.")],
    data: Annotated[Path, typer.Option("--data", metavar="NEWDIR", help="A folder that is new or empty.")],
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The keys of the installation, where the backup has none; copied."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    json: JsonOption = False,
) -> None:
    """Bring a backup back as an installation in a new folder, check all of it, and say how far it reaches."""
    target = data.expanduser().absolute()
    refuse_used(target)
    with opened(file.expanduser()) as found:
        source = source_of(found, keys, passphrase_file)
        restoration, audited = asyncio.run(restored(found, source, target))
        print_restored(target, found.manifest, restoration, audited, json)
    if not all(each.ok for each in audited):
        raise typer.Exit(NO)


def source_of(found: Backup, keys: Path | None, passphrase_file: Path | None) -> Source:
    """The keys that were named, or else those in the backup; BadInput when there are none or they do not open."""
    if keys is not None:
        return Source(key_texts(keys), kept_of(found, keys))
    if not found.has_keys:
        raise BadInput("the backup holds no keys: name the folder with the keys of its installation (--keys DIR)")
    try:
        files = json_text.loads(unseal(passphrase_of(passphrase_file, new=False), found.read(SEALED_KEYS)))
    except KeyRefused as refused:
        raise BadInput(str(refused)) from None
    return Source(files, kept_in(found))


async def restored(found: Backup, source: Source, target: Path) -> tuple[Restoration, list[Audited]]:
    """Restore and verify; the target is there afterwards."""
    async with staged(found, source, target, now_us(), tell) as stage:
        tell("verifying every entry and row")
        return stage.restoration, await verified(Installation(stage.dsns, stage.keys))


def print_restored(
    target: Path, manifest: Manifest, restoration: Restoration, audited: list[Audited], json: bool
) -> None:
    """How far it reaches, what is missing, and what to do next."""
    last_us = {log.log: log.last_us for log in manifest.logs}
    begun = [ended for ended in restoration.ended if ended.known]
    lost = [ended for ended in begun if ended.known > ended.size]
    said = show_as.audit_json(audited)
    if json:
        print_json(
            {
                "data": str(target),
                "backup_made_at": rfc3339(restoration.backup_us),
                "generation": restoration.generation,
                "logs": [
                    {"log": each.log, "size": each.size, "up_to": _at(last_us.get(each.log, 0)), "known": each.known}
                    for each in begun
                ],
                "lost": [
                    {"first": entry_id(each.log, each.size + 1), "last": entry_id(each.log, each.known)}
                    for each in lost
                ],
                "verified": said["ok"],
                "problems": said["problems"],
            }
        )
        return
    # Without anything newer than the backup, nobody can say: that is not the same as nothing.
    rows = ((each.log, each.size, _at(last_us.get(each.log, 0)), each.lost or "unknown") for each in begun)
    print_table(f"restored into {target}", ("log", "entries", "up to", "known to be lost"), rows)
    for problem in said["problems"]:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"{'verified' if said['ok'] else 'NOT ok'}: {said['entries']} entries, every row and signature\n")
    made_at, generation = rfc3339(restoration.backup_us), restoration.generation
    sys.stdout.write(ADVICE.format(made_at=made_at, generation=generation, data=target))


ADVICE = """\
What was registered after {made_at} is not in it, but terminals and issuers may know of it.
New entries go into logs {generation}A, {generation}B, …, so that no id is ever used twice.
Serve it with `holdfast up --data {data}`. The installation that it came from must not serve any more:
both would sign with the same key.
"""


def _at(at_us: int) -> str:
    return rfc3339(at_us) if at_us else ""


# --- both ---------------------------------------------------------------------------------------------------------


def new_passphrase(file: Path | None) -> str:
    """A passphrase to seal with; BadInput when it is too short."""
    passphrase = passphrase_of(file, new=True)
    try:
        refuse_short(passphrase)
    except KeyRefused as refused:
        raise BadInput(str(refused)) from None
    return passphrase


def passphrase_of(file: Path | None, new: bool) -> str:
    """The passphrase in a file that only its owner can read, or what a person types (twice where it is new)."""
    if file is None:
        if not sys.stdin.isatty():
            raise BadInput("a passphrase is needed and nobody can be asked: name a file with it (--passphrase-file)")
        return str(typer.prompt("Passphrase of the keys", hide_input=True, confirmation_prompt=new, err=True))
    try:
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadInput(f"{file} can be read by others: chmod 600 it, and choose another passphrase")
        text = file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not text:
        raise BadInput(f"{file} is empty: its first line is the passphrase")
    return text


def now_us() -> int:
    """The clock of the machine."""
    return time.time_ns() // 1000
