"""Many cards are shredded by many commands, each after one more look at a register that may have grown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast.edges import retiring
from holdfast.errors import Unreachable
from holdfast.reading.retention import Look
from holdfast.runtime.datafolder import DataFolder
from holdfast.store.interface import Reader

FOUND = Look(20, [f"T{number:02d}" for number in range(10)], {"A": 1})


async def shredded(tmp_path: Path) -> int:
    return await retiring._shredded(DataFolder(tmp_path), cast(Reader, None), FOUND, False)


async def test_each_command_follows_a_look_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Mapping[str, Any]] = []
    looks = iter([({"T07", "T99"}, {"A": 2}), (set(), {"A": 3}), (set(), {"A": 4}), ({"T09"}, {"A": 5})])

    async def used_since(reader: Reader, sizes: Mapping[str, int]) -> tuple[set[str], Mapping[str, int]]:
        return cast(tuple[set[str], Mapping[str, int]], next(looks))

    async def tell(folder: DataFolder, name: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        asked.append(arguments)
        return {"moved": True} if len(asked) == 1 else {"moved": False, "shredded": len(arguments["tokens"])}

    monkeypatch.setattr(retiring, "used_since", used_since)
    monkeypatch.setattr(retiring, "tell_acquirer", tell)
    monkeypatch.setattr(retiring, "CARDS_PER_COMMAND_MAX", 4)
    assert await shredded(tmp_path) == 8
    first, second = ["T00", "T01", "T02", "T03"], ["T04", "T05", "T06", "T08"]
    sent = [(each["tokens"], each["sizes"]) for each in asked]
    assert sent == [(first, {"A": 2}), (first, {"A": 3}), (second, {"A": 4})]


async def test_a_register_that_never_rests_is_left_in_peace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def used_since(reader: Reader, sizes: Mapping[str, int]) -> tuple[set[str], Mapping[str, int]]:
        return set(), sizes

    async def tell(folder: DataFolder, name: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        return {"moved": True}

    monkeypatch.setattr(retiring, "used_since", used_since)
    monkeypatch.setattr(retiring, "tell_acquirer", tell)
    with pytest.raises(Unreachable, match="0 card numbers were shredded; give the same command again in a quieter"):
        await shredded(tmp_path)
