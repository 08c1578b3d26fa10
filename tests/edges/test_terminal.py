"""`holdfast terminal` as far as it goes without an acquirer: what is refused at once, and what a person reads."""

from pathlib import Path

import pytest

from holdfast.edges import cli
from holdfast.edges.output import PIPE_COLUMNS, print_table
from holdfast.edges.terminal import told

KEY = "T0000001/000001/000002/0100"
LOAD = ("--tmk", "00112233445566778899AABBCCDDEEFF", "--merchant", "104290070110001", "--merchant-name", "x")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--repeat", KEY, "echo"), "--repeat goes with no action"),
        (("load-key", *LOAD, "--register-key", "zz"), "--register-key 'zz' is not 32 bytes in hex"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_opened(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "till"
    monkeypatch.setattr("sys.argv", ["holdfast", "terminal", "--id", "T0000001", "--data", str(folder), *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not folder.exists()


def test_a_line_of_the_journal_is_a_line_so_that_its_trace_key_can_be_copied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = ("number", "kind", "phase", "outcome", "amount", "trace key", "entry")
    row = ("123456", "pre-authorization", "answered", "approved", "123456.00", KEY, "A-000123")
    print_table("journal", columns, [row])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if KEY in line)
    assert line.split() == list(row)
    assert len(line) <= PIPE_COLUMNS


def test_a_decline_names_the_register_entry_that_says_more() -> None:
    declined = {"outcome": "declined", "response_code": "25", "register_entry": "A-000012", "trace_key": KEY}
    assert "holdfast register show A-000012" in told(declined)
    assert "register show" not in told({**declined, "outcome": "approved"})


def test_the_terminal_s_own_business_is_done_and_not_approved() -> None:
    assert told({"outcome": "approved", "response_code": "", "kind": "sync"}) == "sync: done\n"
