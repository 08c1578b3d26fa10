"""`holdfast codes` and the page about response codes say what the table says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from holdfast.domain.response_rows import ROWS
from holdfast.edges import cli
from holdfast.edges.codes import explained, page, row_of
from holdfast.edges.output import PIPE_COLUMNS
from holdfast.errors import BadInput

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types `holdfast WORDS`: exit code, output, complaint."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["holdfast", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return run


EXPLAINED_98 = """\
98  issuer did not answer
class: B, try again as told
outcome: UNKNOWN: money may be frozen or moved
what the cashier does: Unknown, and being undone: look it up before you try again."""

EXPLAINED_C9 = """\
C9  原交易已撤销
类: C, 失败，勿重试
结果: 已明
收银员怎么做: 勿重复：原交易已撤销
仅见于其他主机"""


def test_the_page_is_what_the_table_says(repository: Path) -> None:
    remade = "run .venv/bin/python -m holdfast.edges.codes > docs/response-codes.md"
    assert (repository / "docs" / "response-codes.md").read_text(encoding="utf-8") == page(), remade


def test_every_code_has_a_line_of_the_page() -> None:
    lines = page().splitlines()
    for row in ROWS:
        assert sum(line.startswith(f"| {row.code}") and row.cashier_zh in line for line in lines) == 1


def test_one_code_in_words() -> None:
    assert explained(row_of("98"), "en") == EXPLAINED_98
    assert explained(row_of("c9"), "zh") == EXPLAINED_C9
    with pytest.raises(BadInput, match="response code 'ZZ' is not in the table"):
        row_of("ZZ")


def test_the_command_in_json(typed: Typed) -> None:
    code, out, _ = typed("codes", "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["code"] for row in rows] == [row.code for row in ROWS]
    assert {row["code"] for row in rows if not row["outcome_known"]} == {"10", "68", "98"}
    assert {row["code"] for row in rows if row["foreign"]} == {"C8", "C9", "CA"}
    assert json.loads(typed("codes", "a0", "--json")[1]) == next(row for row in rows if row["code"] == "A0")


@pytest.mark.parametrize(("language", "says"), [("en", "issuer did not answer"), ("zh", "发卡机构超时")])
def test_the_command_for_a_person(typed: Typed, language: str, says: str) -> None:
    code, table, complaint = typed("codes", "--lang", language)
    assert (code, complaint) == (0, "")
    assert says in table
    assert all(cell_len(line) <= PIPE_COLUMNS for line in table.splitlines())
    assert typed("codes", "98", "--lang", language)[1].startswith(f"98  {says}\n")


def test_an_unknown_code_is_one_line(typed: Typed) -> None:
    says = "holdfast: response code 'ZZ' is not in the table: `holdfast codes` lists what is\n"
    assert typed("codes", "ZZ") == (2, "", says)
