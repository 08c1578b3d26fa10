"""What a terminal may be set to: by whoever runs it (times in microseconds), and by its acquirer's parameters."""

from functools import lru_cache
from typing import Any, NamedTuple

from holdfast.clock import DEFAULT_ZONE, MINUTE_US, SECOND_US
from holdfast.domain.commands import BUSINESS_KINDS, BY_NAME
from holdfast.domain.policy import TERMINAL_PATIENCE_S_MIN
from holdfast.errors import BadInput
from holdfast.money import AMOUNT_MINOR_MAX
from holdfast.wire.settlement import COUNT_MAX

ACQUIRER = "acquirer"
"""The name of the terminal's only link."""


_SUPERVISOR_KINDS = " ".join(each.name for each in BUSINESS_KINDS if each.supervisor)


class Parameters(NamedTuple):
    """What the acquirer may set (0800, 60.3 = 360); until it does, these hold."""

    journal_capacity: int = 500
    """So many business requests in one batch; then the terminal must settle first."""
    keyed: str = "allowed"
    """A card that is present may be typed in, or `never`. A card that need not be present may always be."""
    fallback: str = "allowed"
    """The stripe of a card whose chip failed may be read, or `never`."""
    floor_minor: int = 0
    """A completion of more must be asked online and not just advised; 0: of any amount may be advised."""
    void_pin: str = "optional"
    """Voids want a PIN (`asked`) or take one when it is entered."""
    void_card: str = "optional"
    """Voids want the card (`asked`) or take its number."""
    balanced_upload: str = "never"
    """Of a batch that balances the chips' requests are uploaded (`chips`), as some acquirers want, or nothing is."""
    supervisor_kinds: str = _SUPERVISOR_KINDS
    """Kinds to which a supervisor must agree."""

    @property
    def journal_warning(self) -> int:
        """From so many requests on the cashier is told: nine tenths of the capacity."""
        return self.journal_capacity * 9 // 10


CHOICES: dict[str, tuple[str, ...]] = {
    "keyed": ("allowed", "never"),
    "fallback": ("allowed", "never"),
    "void_pin": ("optional", "asked"),
    "void_card": ("optional", "asked"),
    "balanced_upload": ("never", "chips"),
}
BOUNDS: dict[str, tuple[int, int]] = {
    # A settlement counts with three digits.
    "journal_capacity": (1, COUNT_MAX),
    "floor_minor": (0, AMOUNT_MINOR_MAX),
}

DOWNLOAD_MARK = "HP1"
"""DE62 of the answer to a download begins with it: `HP1|name=value|…`."""

NAMES = ("merchant_name", "merchant_name_en")
"""What a download may say beside parameters: the merchant's names, as the slip shows them."""


def parse_download(text: str) -> dict[str, str]:
    """`HP1|name=value|…` -> values by name, or BadInput. What is not known here is kept and has no effect."""
    mark, *pairs = text.split("|")
    if mark != DOWNLOAD_MARK:
        raise BadInput("the answer holds no parameters")
    told = {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name}
    parameters_from(dumped(told))
    return told


def dumped(told: dict[str, str]) -> str:
    """Parameters by name -> the text that the terminal keeps: `keyed=never|floor_minor=50000`."""
    return "|".join(f"{name}={value}" for name, value in sorted(told.items()) if name not in NAMES)


@lru_cache(maxsize=256)
def parameters_from(text: str) -> Parameters:
    """The parameters that the kept text sets, the others as they are by themselves; BadInput for an unusable value."""
    told = dict(pair.split("=", 1) for pair in text.split("|") if pair)
    return Parameters(**{name: _value(name, told[name]) for name in Parameters._fields if name in told})


def _value(name: str, text: str) -> Any:
    if name in CHOICES and text in CHOICES[name]:
        return text
    if name in BOUNDS and text.isascii() and text.isdecimal() and BOUNDS[name][0] <= int(text) <= BOUNDS[name][1]:
        return int(text)
    if name == "supervisor_kinds" and all(kind in BY_NAME for kind in text.split()):
        return text
    raise BadInput(f"parameter {name} is {text!r}, which it cannot be")


class TerminalSettings(NamedTuple):
    """Which terminal this is, and its patience."""

    terminal_id: str
    patience_us: int = 30 * SECOND_US
    """How long an answer is waited for before the outcome is unknown (terminals are set to 20 to 90 s)."""
    repeat_us: int = 5 * SECOND_US
    """First pause before a reversal is repeated; it doubles up to `repeat_max_us`. The same for advices."""
    repeat_max_us: int = 2 * MINUTE_US
    zone: str = DEFAULT_ZONE
    currency: str = "156"

    @property
    def waits_us_max(self) -> int:
        """Nothing of this terminal is due later than so long from now, unless the clock was set meanwhile."""
        return self.patience_us + max(self.repeat_us, self.repeat_max_us)

    def pause_us(self, attempts: int) -> int:
        """The pause after so many attempts before this one."""
        return min(self.repeat_us << min(attempts, 16), self.repeat_max_us)


assert TerminalSettings("").patience_us >= TERMINAL_PATIENCE_S_MIN * SECOND_US, "the acquirer counts on that patience"
