"""What a terminal may be set to. Times in microseconds."""

from typing import NamedTuple

from holdfast.clock import DEFAULT_ZONE, MINUTE_US, SECOND_US
from holdfast.domain.policy import TERMINAL_PATIENCE_S_MIN

ACQUIRER = "acquirer"
"""The name of the terminal's only link."""


class TerminalSettings(NamedTuple):
    """Which terminal this is, and its patience."""

    terminal_id: str
    patience_us: int = 30 * SECOND_US
    """How long an answer is waited for before the outcome is unknown (terminals are set to 20 to 90 s)."""
    repeat_us: int = 5 * SECOND_US
    """First pause before a reversal is repeated; it doubles up to `repeat_max_us`."""
    repeat_max_us: int = 2 * MINUTE_US
    zone: str = DEFAULT_ZONE
    currency: str = "156"

    def pause_us(self, attempts: int) -> int:
        """The pause after so many attempts before this one."""
        return min(self.repeat_us << min(attempts, 16), self.repeat_max_us)


assert TerminalSettings("").patience_us >= TERMINAL_PATIENCE_S_MIN * SECOND_US, "the acquirer counts on that patience"
