"""Commands at the doors of a running installation, and the sample that is loaded through them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.domain.records import ACCOUNTS, TERMINALS
from holdfast.edges import sample
from holdfast.errors import HoldfastError, Unreachable
from holdfast.runtime.config import ACQUIRER, HERE, ISSUER, acquirer_names, door_of, issuer_notice_of, read_file
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import call
from holdfast.runtime.roles import RoleDsns
from holdfast.store.postgres_reader import PostgresReader


class OutcomeUnknown(HoldfastError):
    """The command may have been done or not; given again, it is not done twice."""


async def tell_acquirer(folder: DataFolder, command: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """A command for the acquirer; Unreachable when it refuses, with its reason."""
    return await _tell(door_of(folder, acquirer_names(1)[0]), command, arguments, actor)


async def tell_issuer(folder: DataFolder, command: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """A command for the active issuer, which may be another installation's on the same database."""
    notice = read_file(issuer_notice_of(folder))
    if notice is None:
        raise Unreachable(f"no issuer runs for {folder.path}: start it with `holdfast up --data {folder.path}`")
    return await _tell(Path(notice["door"]), command, arguments, actor)


async def _tell(door: Path, command: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    answer = await call(door, command, arguments, actor)
    if answer.get("unknown"):
        raise OutcomeUnknown(f"{command}: {answer['reason']}; give the same command again, nothing is done twice")
    if not answer["ok"]:
        raise Unreachable(f"{command} was refused: {answer['reason']}")
    return answer


async def load_sample(folder: DataFolder, dsns: RoleDsns) -> bool:
    """Load the sample unless it is there; whether anything was missing."""
    last_terminal = sample.TERMINALS[-1]["terminal_id"]
    last_account = sample.account_id(sample.CARDS[-1])
    has_terminals = await _has(dsns.reader_acquirer, ACQUIRER, TERMINALS, last_terminal)
    has_accounts = await _has(dsns.reader_issuer, ISSUER, ACCOUNTS, last_account)
    if not has_accounts:
        await tell_issuer(folder, "open-accounts", sample.for_issuer(), "sample")
    if not has_terminals:
        await tell_acquirer(folder, "import", sample.for_acquirer(HERE), "sample")
    return not (has_accounts and has_terminals)


async def _has(dsn: str, schema: str, table: Any, key: str) -> bool:
    reader = await PostgresReader.connect(dsn, schema)
    try:
        return await reader.row(table, key) is not None
    finally:
        await reader.close()
