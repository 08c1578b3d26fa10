"""`holdfast register …`: what is recorded, proofs that anybody can check, and the audit."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from enum import Enum, auto
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from holdfast.edges import exporting, retiring
from holdfast.edges import register_output as show_as
from holdfast.edges.doors import OutcomeUnknown
from holdfast.edges.open_reader import Installation, installation, open_reader
from holdfast.edges.output import print_json
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, business_time_us
from holdfast.edges.register_filters import (
    AmountOption,
    AuthCodeOption,
    CardOption,
    DayOption,
    EntriesOption,
    KindOption,
    MerchantOption,
    RrnOption,
    TerminalOption,
    TraceKeyOption,
    filters_of,
)
from holdfast.errors import BadInput, RegisterBroken, StoreError, Unreachable
from holdfast.reading import proofs
from holdfast.reading.audit import Audited, verify
from holdfast.reading.batches import BatchRow, batches
from holdfast.reading.rebuild import ISSUER_BOOK, REGISTER
from holdfast.reading.timeline import detail, entry_of
from holdfast.reading.views import Filters, Register
from holdfast.register import checkpoint as notes
from holdfast.register.proof import PROOF_CHARS_MAX, Verdict, check
from holdfast.runtime.config import ISSUER
from holdfast.store.interface import Checkpoint, Reader

T = TypeVar("T")

NO, UNKNOWN = 1, 3
SHOWN_MAX = 50
"""So many rows are shown to a person who gave no --limit; programs get all."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="What is recorded, and its proofs."
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="An entry (A-000123), an RRN or a trace key.")]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help=f"At most so many; {SHOWN_MAX} in a table where not given.")
]
LogOption = Annotated[str, typer.Option("--log", help="Which log, where there are several.")]


@app.command("list")
def list_rows(
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    entries: EntriesOption = False,
    day: DayOption = "",
    terminal: TerminalOption = None,
    merchant: MerchantOption = None,
    card_last4: CardOption = None,
    amount: AmountOption = "",
    kind: KindOption = None,
    rrn: RrnOption = None,
    trace_key: TraceKeyOption = "",
    auth_code: AuthCodeOption = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="Holds that stand, requests in doubt, and what an issuer must still be told.")
    ] = False,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """List requests in their present state, newest first; with --entries the facts behind them."""
    if open_only and entries:
        raise BadInput("--open lists requests and --entries the facts behind them: leave one out")
    now_us = business_time_us(data)
    filters = filters_of(day, terminal, merchant, card_last4, amount, kind, rrn, trace_key, auth_code, now_us)
    if kind is not None and not entries and filters.kind in show_as.FACTS_ONLY:
        sys.stderr.write(f"holdfast: {kind} is no request but a fact: --entries lists it\n")
    which = Which.ENTRIES if entries else Which.OPEN if open_only else Which.ROWS
    run(print_list(installation(data, db, keys), filters, which, limit, json))


class Which(Enum):
    """What is listed."""

    ROWS = auto()
    OPEN = auto()
    ENTRIES = auto()


async def print_list(at: Installation, filters: Filters, which: Which, limit: int | None, json: bool) -> None:
    """JSON row by row as they come; a table once it is whole."""
    async with open_reader(at.dsns) as reader:
        register = Register(reader)
        asked = {Which.ROWS: register.rows, Which.OPEN: register.open_rows, Which.ENTRIES: register.entries}[which]
        rows: AsyncIterator[Any] = asked(filters, limit if json or limit else SHOWN_MAX + 1)
        if json:
            async for row in rows:
                print_json(show_as.row_json(row))
            return
        shown = [row async for row in rows]
    cut = limit is None and len(shown) > SHOWN_MAX
    shown = shown[:SHOWN_MAX] if cut else shown
    if which is Which.OPEN:
        show_as.print_open(shown)
    else:
        show_as.print_rows(shown, which is Which.ENTRIES)
    if cut:
        sys.stdout.write(f"These are the newest {SHOWN_MAX}: --limit shows more, filters show others.\n")


@app.command("batches")
def list_batches(
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    terminal: TerminalOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """List the batches of terminals: what the register counts, what the terminal said, and what changed since."""
    run(print_batches(installation(data, db, keys), terminal, limit, json))


async def print_batches(at: Installation, terminal: str | None, limit: int | None, json: bool) -> None:
    """JSON batch by batch as they come; a table once it is whole."""
    most = limit if json or limit else SHOWN_MAX
    shown: list[BatchRow] = []
    cut = False
    async with open_reader(at.dsns) as reader:
        async for row in batches(reader, terminal):
            cut = most is not None and len(shown) == most
            if cut:
                break
            shown.append(row)
            if json:
                print_json(row.as_json())
    if json:
        return
    show_as.print_batches(shown)
    if cut:
        sys.stdout.write(f"There are more than these {most}: --limit shows more, --terminal others.\n")


@app.command("export")
def export_rows(
    file: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write it.")],
    form: Annotated[str, typer.Option("--format", help="csv, parquet or xlsx; as FILE ends where not given.")] = "",
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    entries: EntriesOption = False,
    day: DayOption = "",
    terminal: TerminalOption = None,
    merchant: MerchantOption = None,
    card_last4: CardOption = None,
    amount: AmountOption = "",
    kind: KindOption = None,
    rrn: RrnOption = None,
    trace_key: TraceKeyOption = "",
    auth_code: AuthCodeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Write what `list` would list into a file for spreadsheets (csv, xlsx) or analysis (parquet)."""
    now_us = business_time_us(data)
    filters = filters_of(day, terminal, merchant, card_last4, amount, kind, rrn, trace_key, auth_code, now_us)
    order = exporting.order_of(file, form, entries, force)
    exporting.print_written(run(exporting.export(installation(data, db, keys), filters, order)), json)


@app.command("show")
def show(
    named: IdArgument,
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    json: JsonOption = False,
) -> None:
    """Show one entry or request: what it says, what else happened to it and its hold, near misses of a 25."""

    async def shown(at: Installation) -> None:
        async with open_reader(at.dsns) as reader:
            found = await detail(reader, Register(reader), named)
        if found is None:
            answer_no(f"{named} is not in the register")
        if json:
            print_json(show_as.detail_json(found))
        else:
            show_as.print_detail(found)

    run(shown(installation(data, db, keys)))


@app.command("verify")
def verify_all(data: DataOption = None, db: DbOption = "", keys: KeysOption = None, json: JsonOption = False) -> None:
    """Check every entry, tree, checkpoint and row against each other: the register, and the issuer's book."""
    audited = run(verified(installation(data, db, keys)))
    if json:
        print_json(show_as.audit_json(audited))
    else:
        show_as.print_audit(audited)
    if not all(each.ok for each in audited):
        raise typer.Exit(NO)


async def verified(at: Installation) -> list[Audited]:
    """The audits of all parties that can be read; Unreachable when the register itself cannot."""
    public_key, kept = at.public_key(), at.kept_checkpoints()
    async with open_reader(at.dsns) as reader:
        audited = [await verify(reader, REGISTER, public_key, kept)]
    try:
        async with open_reader(at.dsns, ISSUER) as reader:
            audited.append(await verify(reader, ISSUER_BOOK, public_key, kept))
    except (Unreachable, StoreError) as error:
        sys.stderr.write(f"holdfast: the issuer's book was left out: {error}\n")
    return audited


@app.command("retire")
def retire(
    data: DataOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,
    json: JsonOption = False,
) -> None:
    """Shred the numbers of cards that were not used for longer than the rule `retention_years` keeps them.

    What was recorded stays, and so do its proofs: it names a card by its mask and a random token. A card keeps its
    number as long as a hold of it stands, anything of it is in doubt, or it may get a refund.
    """
    try:
        retired = run(retiring.retire(data, dry_run))
    except OutcomeUnknown as error:
        sys.stderr.write(f"holdfast: {error}\n")
        raise typer.Exit(UNKNOWN) from error
    retiring.print_retired(retired, json)


@app.command("checkpoint")
def checkpoint(
    data: DataOption = None, db: DbOption = "", keys: KeysOption = None, log: LogOption = "", json: JsonOption = False
) -> None:
    """Print the newest signed checkpoint: kept elsewhere, it makes any later change of the register visible."""

    async def newest(at: Installation) -> list[Checkpoint]:
        async with open_reader(at.dsns) as reader:
            return [each for each in await proofs.newest_checkpoints(reader) if log in ("", each.log)]

    found = run(newest(installation(data, db, keys)))
    if not found:
        answer_no(f"no checkpoint {f'of log {log} ' if log else ''}has been signed yet")
    for each in found:
        if json:
            print_json(show_as.checkpoint_json(each))
        else:
            sys.stdout.write(each.signed)


@app.command("proof")
def proof(named: IdArgument, data: DataOption = None, db: DbOption = "", keys: KeysOption = None) -> None:
    """Print the proof file of an entry, as soon as a signed checkpoint covers it."""

    async def proven(at: Installation) -> str | None:
        async with open_reader(at.dsns) as reader:
            place = await entry_of(reader, named)
            return await proofs.prove_entry(reader, *place, at.public_key()) if place else None

    text = run(proven(installation(data, db, keys)))
    if text is None:
        answer_no(f"{named} is not in the register")
    sys.stdout.write(text)


@app.command("check-proof")
def check_proof(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A proof of either kind; - is stdin.")],
    key: Annotated[str, typer.Option(metavar="HEX", help="The public key that must have signed it.")] = "",
    json: JsonOption = False,
) -> None:
    """Check a proof file; needs no installation and no database."""
    try:
        pinned = bytes.fromhex(key)
    except ValueError:
        raise BadInput(f"--key {key!r} is not hex") from None
    if key and len(pinned) != notes.ROOT_BYTES:
        raise BadInput(f"--key has {len(pinned)} bytes, a public key has {notes.ROOT_BYTES}")
    try:
        verdict = check(read_text(file), pinned or None)
    except RegisterBroken as broken:
        verdict = Verdict(False, str(broken), False)
    if json:
        print_json(verdict._asdict())
    else:
        sys.stdout.write(verdict.says + "\n")
    if not verdict.ok:
        raise typer.Exit(NO)


@app.command("consistency")
def consistency(
    first: Annotated[str, typer.Argument(metavar="A", help="The earlier size, or a file with its checkpoint.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The later size, or a file with its checkpoint.")],
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    log: LogOption = "",
) -> None:
    """Print the proof that the register at checkpoint B extends the one at checkpoint A."""

    async def proven(at: Installation) -> str:
        async with open_reader(at.dsns) as reader:
            signed = [await signed_checkpoint(reader, text, log) for text in (first, second)]
            return await proofs.prove_consistency(reader, signed[0], signed[1], at.public_key())

    sys.stdout.write(run(proven(installation(data, db, keys))))


async def signed_checkpoint(reader: Reader, text: str, log: str) -> str:
    """The checkpoint of a size in digits, out of the register, or the one in a file."""
    if not text.isdecimal():
        return read_text(text)
    names = [head.log for head in await reader.logs() if log in ("", head.log)]
    if len(names) != 1:
        raise BadInput(f"say which log with --log: there are {', '.join(names) or 'none'}")
    found = await reader.checkpoint_of(names[0], int(text))
    if found is None:
        answer_no(f"no checkpoint of log {names[0]} was signed at {text} entries: `register checkpoint` has the newest")
    return found.signed


# --- what the commands share --------------------------------------------------------------------------------------


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it; a register that does not hold is a "no" and one line."""
    try:
        return asyncio.run(work)
    except RegisterBroken as broken:
        answer_no(f"{broken}: see `holdfast register verify`")


def answer_no(says: str) -> NoReturn:
    """One line, exit code 1."""
    sys.stderr.write(f"holdfast: {says}\n")
    raise typer.Exit(NO)


def read_text(file: str) -> str:
    """A small text file exactly as it is, line ends included; RegisterBroken when it is not text."""
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(4 * PROOF_CHARS_MAX)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(4 * PROOF_CHARS_MAX)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RegisterBroken(f"{file} is not UTF-8 text: it proves nothing") from None
