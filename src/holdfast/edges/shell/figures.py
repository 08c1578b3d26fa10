"""An amount that nobody can misread: in large figures, and in words, so that 20000.00 does not look like 200.00."""

from holdfast.edges.slip import Language
from holdfast.money import format_amount

FIGURES = {
    "0": ("####", "#  #", "#  #", "#  #", "####"),
    "1": ("  # ", " ## ", "  # ", "  # ", " ###"),
    "2": ("####", "   #", "####", "#   ", "####"),
    "3": ("####", "   #", " ###", "   #", "####"),
    "4": ("#  #", "#  #", "####", "   #", "   #"),
    "5": ("####", "#   ", "####", "   #", "####"),
    "6": ("####", "#   ", "####", "#  #", "####"),
    "7": ("####", "   #", "  # ", "  # ", "  # "),
    "8": ("####", "#  #", "####", "#  #", "####"),
    "9": ("####", "#  #", "####", "   #", "####"),
    ".": (" ", " ", " ", " ", "#"),
    ",": (" ", " ", " ", "#", "#"),
}
ROWS = 5


def grouped(amount_minor: int) -> str:
    """`20,000.00`."""
    whole, _, cents = format_amount(amount_minor).partition(".")
    return f"{int(whole):,}.{cents}"


def large(amount_minor: int) -> list[str]:
    """The amount in figures five lines high; even ten digits before the point fit on the screen."""
    text = grouped(amount_minor)
    return [" ".join(FIGURES[character][row] for character in text).rstrip() for row in range(ROWS)]


def in_words(amount_minor: int, language: Language) -> str:
    """贰万元整, or `twenty thousand yuan`."""
    return _zh(amount_minor) if language == "zh" else _en(amount_minor)


# --- Chinese, in the characters that cannot be altered ------------------------------------------------------------

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿")


def _zh(amount_minor: int) -> str:
    yuan, cents = divmod(amount_minor, 100)
    jiao, fen = divmod(cents, 10)
    text = f"{_zh_number(yuan)}元" if yuan else ""
    if not cents:
        return f"{text}整"
    if jiao:
        text += f"{_DIGITS[jiao]}角"
    elif yuan:
        text += "零"
    return f"{text}{_DIGITS[fen]}分" if fen else f"{text}整"


def _zh_number(number: int) -> str:
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    text = ""
    for place in reversed(range(len(groups))):
        group = groups[place]
        # A gap in the figures is one 零, however long it is.
        if group and text and (group < 1000 or not text.endswith(_GROUPS[place + 1])):
            text += "零"
        text += _zh_group(group) + _GROUPS[place] if group else ""
    return text


def _zh_group(group: int) -> str:
    text, gap = "", False
    for place in (3, 2, 1, 0):
        digit = group // 10**place % 10
        if digit:
            text += ("零" if gap and text else "") + _DIGITS[digit] + _PLACES[place]
        gap = not digit
    return text


# --- English ------------------------------------------------------------------------------------------------------

# fmt: off
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
    "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))


def _en(amount_minor: int) -> str:
    yuan, cents = divmod(amount_minor, 100)
    text = f"{_en_number(yuan)} yuan"
    return f"{text} and {_en_number(cents)} fen" if cents else text


def _en_number(number: int) -> str:
    if number < len(_SMALL):
        return _SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[rest]}" if rest else "")
    scale, name = next(each for each in _SCALES if each[0] <= number)
    many, rest = divmod(number, scale)
    return f"{_en_number(many)} {name}" + (f" {_en_number(rest)}" if rest else "")
