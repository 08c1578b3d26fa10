"""What a reviewer should never have to say: too long, too big, left undone, or a number that must not be here."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.ids import luhn_valid
from tests.tracked import tracked_files

FILE_BYTES_MAX = 1 << 20
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 450

TEST_BINS = ("620000", "621000", "622000", "625000", "400000", "411111", "555555")
"""Card numbers may begin like this and in no other way.

62?000 are the ranges of our sample issuers, made up with a right check digit; 400000, 411111 and 555555 are the test
numbers that the two other schemes publish, here as cards that nobody in our tables issued.
"""

# Written in parts, so that this file does not contain what it forbids.
_REGISTRY_HOSTS = (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("tuna", "tsinghua"), ("aliyun", "com"))
_REGISTRY = re.compile("|".join(re.escape(".".join(parts)) for parts in _REGISTRY_HOSTS))
_UNDONE = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
_SKIPPED = re.compile("mark[.](?:skip|xfail)|pytest[.](?:skip|xfail|importorskip)[(]|unittest[.]skip")

# A run of 13 to 19 digits that stands alone, is cut into fours as on the card, or ends at the separator of track 2.
_CARD = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{4}(?: [0-9]{4}){2,3} [0-9]{1,4}|[0-9]{13,19})(?:(?=[D=])|(?![0-9A-Za-z]))"
)


def registry_addresses(text: str) -> Iterator[str]:
    """Addresses of package registries: whoever installs decides where packages come from, not we."""
    return (match.group() for match in _REGISTRY.finditer(text))


def undone_marks(text: str) -> Iterator[str]:
    """Promises to finish later."""
    return (match.group() for match in _UNDONE.finditer(text))


def skipped_tests(text: str) -> Iterator[str]:
    """Tests that would pass by not running."""
    return (match.group() for match in _SKIPPED.finditer(text))


def real_card_numbers(text: str) -> Iterator[str]:
    """Numbers that could be somebody's card."""
    for match in _CARD.finditer(text):
        digits = match.group().replace(" ", "")
        if _first_digits_of_a_card(digits) and luhn_valid(digits) and not digits.startswith(TEST_BINS):
            yield match.group()


def _first_digits_of_a_card(digits: str) -> bool:
    # Series 2 is narrow, and what else begins with 1 or 2 here is a time.
    return digits[0] in "3456" or (len(digits) == 16 and 2221 <= int(digits[:4]) <= 2720)


def long_functions(text: str) -> Iterator[str]:
    """Functions of more than FUNCTION_LINES_MAX lines, and modules of more than MODULE_LINES_MAX."""
    lines = len(text.splitlines())
    if lines > MODULE_LINES_MAX:
        yield f"module of {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.name} of {lines} lines"


def _texts(repository: Path, *folders: str) -> Iterator[tuple[Path, str]]:
    for path in tracked_files(repository):
        if folders and path.parts[0] not in folders:
            continue
        try:
            yield path, (repository / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize(
    ("complaints_of", "folders"),
    [
        (registry_addresses, ()),
        (real_card_numbers, ()),
        (undone_marks, ("src", "tests", "script", ".ci")),
        (skipped_tests, ("tests",)),
    ],
)
def test_the_repository_is_tidy(
    repository: Path, complaints_of: Callable[[str], Iterator[str]], folders: tuple[str, ...]
) -> None:
    assert [f"{path}: {it}" for path, text in _texts(repository, *folders) for it in complaints_of(text)] == []


def test_functions_and_modules_can_be_read_in_one_go(repository: Path) -> None:
    sources = ((path, text) for path, text in _texts(repository, "src") if path.suffix == ".py")
    assert [f"{path}: {it}" for path, text in sources for it in long_functions(text)] == []


def test_no_tracked_file_is_large(repository: Path) -> None:
    files = tracked_files(repository)
    assert Path("pyproject.toml") in files
    assert [str(path) for path in files if (repository / path).stat().st_size > FILE_BYTES_MAX] == []


# The cards are written in parts too; each has a right check digit.
@pytest.mark.parametrize(
    ("complaints_of", "planted"),
    [
        (registry_addresses, "the index at " + "py" + "pi" + ".org"),
        (real_card_numbers, "pan = '62" + "2848" + "0000000007'"),
        (real_card_numbers, "62" + "28 4800 " + "0000 0007"),
        (real_card_numbers, ";62" + "2848" + "0000000007=2512"),
        (real_card_numbers, "62" + "2848" + "0000000007D2512"),
        (undone_marks, "# TO" + "DO later"),
        (skipped_tests, "@pytest.mark." + "skipif(True)"),
        (long_functions, "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
        (long_functions, "x = 1\n" * (MODULE_LINES_MAX + 1)),
    ],
)
def test_what_is_untidy_is_seen(complaints_of: Callable[[str], Iterator[str]], planted: str) -> None:
    assert len(list(complaints_of(planted))) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        "6200000000000005",  # a test range
        "62" + "28480000000004",  # wrong check digit
        "1763818445123456 20261122213405",  # times
        "sha256:9970712cfb81ea26c8658d378aaa5b8f62284800000" + "00003a",  # inside a hash
    ],
)
def test_what_is_no_card_is_left_alone(harmless: str) -> None:
    assert list(real_card_numbers(harmless)) == []
