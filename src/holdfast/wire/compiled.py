"""The codec of one bitmap, as straight-line Python made from the dialect's rows.

A reader or writer made here knows its fields, so it has no loop, no look-up of rows and hardly a branch: neighbouring
fields of fixed length form a *run*, which is cut from the body once, checked once and sliced into values. It only
handles what is right. At any doubt it calls the plain codec, which then decides (and may well accept, as with a partly
encrypted track); so nothing here needs to know a field, a byte or a reason.

What a made reader looks like, for fields 2, 3, 4 and 41:

    def read(body):
        try:
            mti = body[11:13].hex()
            if not (mti.isdecimal()): return plain(body)
            n = BCD[body[21]]
            a = 22
            p = a + (n + 1) // 2
            v = body[a:p].hex()
            if not (n <= 19 and v.isdecimal() and (n & 1 == 0 or v[n] == "0")): return plain(body)
            f2 = v[:n]
            v = body[p + 0:p + 9].hex()
            if not (v.isdecimal()): return plain(body)
            f3 = v[0:6]
            f4 = v[6:18]
            v = body[p + 9:p + 17].decode("ascii")
            if not (v.isprintable()): return plain(body)
            f41 = v[0:8].rstrip(" ")
            if p + 17 != len(body): return plain(body)
            return Message(mti, {2: f2, 3: f3, 4: f4, 41: f41}, body, body[:5], body[5:11])
        except REFUSALS:
            return plain(body)

Slices past the end are short and not an error: that the last field ends where the body ends is what proves that none
was cut short. Only numbers and lengths of our own rows enter the source, never anything received.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

from holdfast.wire.dialect import Dialect, Field
from holdfast.wire.header import with_processing_request
from holdfast.wire.message import Message
from holdfast.wire.plain import bitmap_of, read_message, write_message

Reader = Callable[[bytes], Message]
Writer = Callable[[Message], bytes]

_REFUSALS = (IndexError, KeyError, ValueError, TypeError, AttributeError)
"""What wrong bytes or values raise in made code; each only means "ask the plain codec"."""

_TOO_LONG = 10**6
_BCD = tuple((byte >> 4) * 10 + (byte & 15) if f"{byte:02x}".isdecimal() else _TOO_LONG for byte in range(256))
_DIGIT = tuple(byte - 0x30 if 0x30 <= byte <= 0x39 else _TOO_LONG for byte in range(256))


def compile_reader(dialect: Dialect, numbers: list[int]) -> Reader:
    """A reader for bodies whose bitmap announces exactly these fields of the dialect, in ascending order."""
    source = _ReaderSource(dialect, numbers)
    for run in _runs(dialect, numbers):
        if len(run) > 1 or _joins_runs(run[0]):
            source.read_run(run)
        elif run[0].prefix:
            source.read_variable(run[0])
        else:
            source.read_fixed(run[0])
    names = {"BCD": _BCD, "DIGIT": _DIGIT, "Message": Message, "plain": partial(read_message, dialect)}
    reader: Reader = _make("read", source.lines(), names)
    return reader


def compile_writer(dialect: Dialect, numbers: list[int]) -> Writer:
    """A writer for messages that have exactly these fields of the dialect, in ascending order."""
    source = _WriterSource(dialect, numbers)
    for run in _runs(dialect, numbers):
        if len(run) > 1 or _joins_runs(run[0]):
            source.write_run(run)
        else:
            source.write_single(run[0])
    names = {
        "TPDU": dialect.tpdu,
        "HEADER": dialect.header,
        "LL": tuple(f"{length:02d}" for length in range(100)),
        "LLL": tuple(f"{length:04d}" if dialect.packed else f"{length:03d}" for length in range(1000)),
        "ODD": ("", "0"),
        "asking": with_processing_request,
        "fromhex": bytes.fromhex,
        "plain": partial(write_message, dialect),
    }
    writer: Writer = _make("write", source.lines(), names)
    return writer


def _make(name: str, lines: list[str], names: dict[str, Any]) -> Any:
    scope = {**names, "REFUSALS": _REFUSALS}
    exec("\n".join(lines), scope)  # noqa: S102 (the source is made from our own rows alone)
    return scope[name]


def _joins_runs(field: Field) -> bool:
    return not field.prefix and field.encoding in ("bcd", "digits", "ascii")


def _runs(dialect: Dialect, numbers: list[int]) -> list[list[Field]]:
    """The fields in order, neighbours of fixed length and one encoding together, each other field by itself."""
    rows = [dialect.fields[number] for number in numbers]
    return [list(run) for _, run in groupby(rows, lambda row: row.encoding if _joins_runs(row) else row.number)]


def _check(encoding: str) -> str:
    return "isprintable()" if encoding == "ascii" else "isdecimal()"


class _ReaderSource:
    """Collects the statements of a reader, and keeps where in the body the next field begins.

    That place is a number until the first field of variable length, then the variable `p` plus a number.
    """

    def __init__(self, dialect: Dialect, numbers: list[int]) -> None:
        self._dialect = dialect
        self._numbers = numbers
        self._base = ""
        self._offset = dialect.mti_at
        self._lines: list[str] = []
        self._add(f"mti = {self._cut('bcd' if dialect.packed else 'digits', dialect.bitmap_at - dialect.mti_at)}")
        self._demand("mti.isdecimal()")
        self._offset += len(bitmap_of(dialect, numbers))

    def lines(self) -> list[str]:
        """The whole function."""
        tpdu_bytes, mti_at = len(self._dialect.tpdu), self._dialect.mti_at
        fields = ", ".join(f"{number}: f{number}" for number in self._numbers)
        head = f", body[:{tpdu_bytes}], body[{tpdu_bytes}:{mti_at}]" if mti_at else ""
        self._demand(f"{self._place()} == len(body)")
        self._add(f"return Message(mti, {{{fields}}}, body{head})")
        return ["def read(body):", "    try:", *self._lines, "    except REFUSALS:", "        return plain(body)"]

    def read_run(self, run: list[Field]) -> None:
        """Neighbouring digits or neighbouring text, cut and checked as one."""
        encoding = run[0].encoding
        packed = encoding == "bcd"
        size = sum((row.length + 1) // 2 if packed else row.length for row in run)
        self._add(f"v = {self._cut(encoding, size)}")
        self._demand(f"v.{_check(encoding)}")
        at = 0
        for row in run:
            first = at + 1 if packed and row.length % 2 and row.pad == "left" else at
            text = f"v[{first}:{first + row.length}]"
            self._add(f"f{row.number} = {text}" + ('.rstrip(" ")' if not packed and row.pad == "right" else ""))
            if packed and row.length % 2:
                self._demand(f'v[{at if row.pad == "left" else at + row.length}] == "0"')
            at += (row.length + 1) // 2 * 2 if packed else row.length

    def read_fixed(self, field: Field) -> None:
        """A field of fixed length that joins no run."""
        assert field.encoding in ("binary", "gbk"), "tracks of fixed length are in no dialect"
        self._add(f"f{field.number} = {self._cut(field.encoding, field.length)}")
        if field.encoding == "gbk":
            self._demand(f"f{field.number}.isprintable()")
            if field.pad == "right":
                self._add(f'f{field.number} = f{field.number}.rstrip(" ")')

    def read_variable(self, field: Field) -> None:
        """A field behind a length prefix; `n` is its length, `a` its first byte, and `p` the first behind it."""
        packed = field.encoding in ("bcd", "track")
        self._add(f"n = {self._prefix(field.prefix)}")
        self._add(f"a = {self._place()}")
        self._add("p = a + (n + 1) // 2" if packed else "p = a + n")
        self._base, self._offset = "p", 0
        checks = [f"n <= {field.length}"]
        value = "v[:n]" if packed else "v"
        match field.encoding:
            case "bcd" | "digits":
                checks.append("v.isdecimal()")
            case "track" | "ascii-track":
                separator = "d" if packed else "="
                checks.append(f'v.replace("{separator}", "").isdecimal()')
                value += '.replace("d", "=")' if packed else ""
            case "ascii" | "gbk":
                checks.append("v.isprintable()")
        if packed:
            checks.append('(n & 1 == 0 or v[n] == "0")')
        self._add(f"v = body[a:p]{_DECODED[field.encoding]}")
        self._demand(" and ".join(checks))
        self._add(f"f{field.number} = {value}")

    def _prefix(self, digits: int) -> str:
        table, each, weight = ("BCD", 2, 100) if self._dialect.packed else ("DIGIT", 1, 10)
        terms = []
        for place in reversed(range((digits + each - 1) // each)):
            terms.append(f"{table}[body[{self._place()}]] * {weight**place}".removesuffix(" * 1"))
            self._offset += 1
        return " + ".join(terms)

    def _cut(self, encoding: str, size: int) -> str:
        start = self._place()
        self._offset += size
        return f"body[{start}:{self._place()}]{_DECODED[encoding]}"

    def _place(self) -> str:
        return f"{self._base} + {self._offset}" if self._base else str(self._offset)

    def _demand(self, condition: str) -> None:
        self._add(f"if not ({condition}): return plain(body)")

    def _add(self, line: str) -> None:
        self._lines.append("        " + line)


_DECODED = {
    "bcd": ".hex()",
    "track": ".hex()",
    "digits": '.decode("ascii")',
    "ascii-track": '.decode("ascii")',
    "ascii": '.decode("ascii")',
    "gbk": '.decode("gbk")',
    "binary": "",
}


class _WriterSource:
    """Collects the values and conditions of a writer, and the pieces of its body in order.

    A piece is hex digits, text or bytes. Neighbouring pieces of hex digits or of text become one f-string each.
    """

    def __init__(self, dialect: Dialect, numbers: list[int]) -> None:
        self._dialect = dialect
        self._numbers = numbers
        self._lines: list[str] = []
        self._checks = ["len(mti) == 4", "mti.isdecimal()"]
        self._pieces: list[tuple[str, str]] = []
        if dialect.mti_at:
            self._lines += ["tpdu = message.tpdu or TPDU", "header = message.header or HEADER"]
            self._lines.append("if message.processing_request: header = asking(header, message.processing_request)")
            self._checks += [f"len(tpdu) == {len(dialect.tpdu)}", f"len(header) == {len(dialect.header)}"]
            self._pieces += [("bytes", "tpdu"), ("bytes", "header")]
        else:
            self._checks.append("not (message.tpdu or message.header or message.processing_request)")
        bitmap = bitmap_of(dialect, numbers)
        self._pieces.append((self._digits, "{mti}"))
        self._pieces.append(("hex", bitmap.hex()) if dialect.packed else ("bytes", repr(bitmap)))

    @property
    def _digits(self) -> str:
        return "hex" if self._dialect.packed else "text"

    def lines(self) -> list[str]:
        """The whole function."""
        body = [
            "fields = message.fields",
            "mti = message.mti",
            *(f"f{number} = fields[{number}]" for number in self._numbers),
            *self._lines,
            f"if not ({' and '.join(self._checks)}): return plain(message)",
            f'return b"".join(({", ".join(self._joined())},))',
        ]
        return [
            "def write(message):",
            "    try:",
            *("        " + line for line in body),
            "    except REFUSALS:",
            "        return plain(message)",
        ]

    def write_run(self, run: list[Field]) -> None:
        """Neighbouring digits or neighbouring text, checked as one. Bytes among them fail to join, as they should."""
        values = []
        for row in run:
            name = f"f{row.number}"
            short = row.encoding == "ascii" and row.pad == "right"
            self._checks.append(f"len({name}) {'<=' if short else '=='} {row.length}")
            if row.encoding == "bcd" and row.length % 2:
                name = f'"0" + {name}' if row.pad == "left" else f'{name} + "0"'
            values.append(f"{name}.ljust({row.length})" if short else name)
        joined = f"r{run[0].number}"
        self._lines.append(f"{joined} = {' + '.join(values)}")
        self._checks.append(f"{joined}.{_check(run[0].encoding)}")
        self._pieces.append(("hex" if run[0].encoding == "bcd" else "text", f"{{{joined}}}"))

    def write_single(self, field: Field) -> None:
        """A field by itself; `v` and its number is the value as it goes into the body, `n` its length."""
        number = field.number
        value, length = f"v{number}", f"n{number}"
        kind = self._value(field)
        self._lines.append(f"{length} = len({value})")
        self._checks.append(f"{length} {'<=' if field.prefix or field.pad == 'right' else '=='} {field.length}")
        if field.prefix:
            self._pieces.append((self._digits, f"{{{'LL' if field.prefix == 2 else 'LLL'}[{length}]}}"))
        elif field.pad == "right":
            value += f".ljust({field.length})"
        self._pieces.append((kind, value if kind == "bytes" else f"{{{value}}}"))
        if kind == "hex":
            self._pieces.append((kind, f"{{ODD[{length} & 1]}}"))

    def _value(self, field: Field) -> str:
        """Sets the value of a single field as it goes into the body; returns the kind of piece that it is."""
        number = field.number
        name, value = f"f{number}", f"v{number}"
        match field.encoding:
            case "bcd" | "digits":
                self._lines.append(f"{value} = {name}")
                self._checks.append(f"{name}.isdecimal()")
            case "track" | "ascii-track":
                self._lines.append(f'{value} = {name}.replace("=", "{"d" if field.encoding == "track" else "="}")')
                self._checks.append(f'{name}.replace("=", "").isdecimal()')
            case "ascii":
                self._lines.append(f"{value} = {name}")
                self._checks.append(f"{name}.isprintable()")
            case "gbk":
                self._lines.append(f'{value} = {name}.encode("gbk")')
                self._checks.append(f"{name}.isprintable()")
                return "bytes"
            case "binary":
                self._lines.append(f"{value} = {name}")
                return "bytes"
        return "hex" if field.encoding in ("bcd", "track") else "text"

    def _joined(self) -> list[str]:
        terms: list[str] = []
        for kind, pieces in groupby(self._pieces, lambda piece: piece[0]):
            texts = [text for _, text in pieces]
            if kind == "bytes":
                terms += texts
            else:
                text = texts[0][1:-1] if len(texts) == 1 else f'f"{"".join(texts)}"'
                terms.append(f"fromhex({text})" if kind == "hex" else f'{text}.encode("ascii")')
        return terms
