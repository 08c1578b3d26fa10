"""The command line itself: one line for what is mistyped, and no exit code that claims more than is known."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from holdfast.edges import cli

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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["regster"], "no such command 'regster': see `holdfast --help`"),
        (["register", "lst"], "no such command 'lst'. Did you mean 'list'?: see `holdfast register --help`"),
        (["register", "show"], "missing argument 'ID': see `holdfast register show --help`"),
        (["up", "--workers", "99"], "invalid value for '--workers'"),
        (["terminal", "echo"], "missing option '--id': see `holdfast terminal --help`"),
        (["sample", "--colour"], "no such option: --colour: see `holdfast sample --help`"),
    ],
)
def test_a_mistyped_command_is_one_line(typed: Typed, words: list[str], says: str) -> None:
    code, out, complaint = typed(*words)
    assert (code, out) == (2, "")
    assert complaint.startswith(f"holdfast: {says}")
    assert complaint.count("\n") == 1


def test_no_words_at_all_print_the_help(typed: Typed) -> None:
    code, _, complaint = typed()
    assert code == 2
    assert "Commands:" in complaint


def test_a_bug_is_not_a_no(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("holdfast.edges.sample.print_table", broken)
    code, _, complaint = typed("sample")
    assert code == 3
    assert "ZeroDivisionError" in complaint


def test_a_screen_without_chinese_still_gets_its_answer() -> None:
    command = [sys.executable, "-m", "holdfast", "sample", "--json"]
    shown = subprocess.run(command, capture_output=True, check=False, env={"PYTHONIOENCODING": "ascii"})
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert rb"\u4e1c\u6e56\u5bbe\u9986" in shown.stdout
