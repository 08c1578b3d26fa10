"""How a standard terminal settles its batch: its totals, and where they differ an upload of all that it believes.

Some terminals lie: they invent a record, change an amount, or leave one out. The register must find that.
"""

from collections.abc import Callable
from random import Random

from holdfast.sim.labels import LIED, SAID, UPLOADED, Labels, record_of
from holdfast.sim.standard_messages import (
    CHIP,
    CHIP_BALANCED,
    CHIP_REFUSED,
    DETAILS,
    DETAILS_MAX,
    Device,
    Paper,
    alone,
    block_of,
    detail_of,
    end_of,
    settlement,
)
from holdfast.wire.message import Message
from holdfast.wire.settlement import BALANCED, FIELD, CardClass, Detail, parse_totals

LIE_MINOR = 100_07
INVENTED_PAN = "6210000000000001"
INVENTED, CHANGED, LEFT_OUT = "invented", "changed", "left out"

NextDevice = Callable[[], Device]
"""The terminal with the next trace number."""


class Settlement:
    """A settlement under way; the messages that wait are written down, so that it goes on after a power cut."""

    def __init__(self, device: Device, papers: list[Paper], lies: bool, dice: Random, labels: Labels) -> None:
        self.device = device
        self._labels = labels
        mine = [paper for paper in papers if paper.device.batch == device.batch]
        self._refused = [paper for paper in mine if paper.of_chip and paper.outcome == "declined"]
        self._papers = [paper for paper in mine if paper.counts]
        self._lie, self._about = "", next(iter(self._papers), None)
        if lies:
            self._lie = self._drawn(dice)
        told = [paper for paper in self._papers if not (self._lie == LEFT_OUT and paper is self._about)]
        more_minor = LIE_MINOR if self._lie in (INVENTED, CHANGED) else 0
        self.waiting: list[Message] = [settlement(device, told, more_minor)]

    def _drawn(self, dice: Random) -> str:
        domestic = [paper for paper in self._papers if not paper.foreign and not paper.told_until_answered]
        debits = [paper for paper in domestic if paper.kind.total == "debit"]
        self._about = dice.choice(debits) if debits else None
        return dice.choice((INVENTED, CHANGED, LEFT_OUT) if debits else (INVENTED,))

    def answered(self, message: Message, following: NextDevice) -> None:
        """The first of the waiting messages was answered; a settlement's answer says what must be uploaded."""
        asked = self.waiting.pop(0)
        if asked.mti == "0500":
            totals = parse_totals(message.get(FIELD))
            balanced = totals.domestic.reply == totals.foreign.reply == BALANCED
            self.waiting = self._uploads(balanced, following)

    def _uploads(self, balanced: bool, following: NextDevice) -> list[Message]:
        batch = self.device.batch
        chips = [paper for paper in self._papers if paper.of_chip and not paper.told_until_answered]
        if balanced:
            sent = [alone(paper, CHIP_BALANCED, paper.amount_minor) for paper in chips]
            return [*sent, end_of(following()._replace(batch=batch), len(chips), balanced)]
        papers = [paper for paper in self._papers if not (self._lie == LEFT_OUT and paper is self._about)]
        self._put_labels(papers)
        plain = [paper for paper in papers if paper not in chips and not paper.told_until_answered]
        details = [detail_of(paper, self._amount(paper)) for paper in plain]
        if self._lie == INVENTED:
            details.append(Detail(CardClass.DOMESTIC, following().stan, INVENTED_PAN, LIE_MINOR))
            self._labels.put(f"{self.device.terminal_id}/{batch}/{details[-1].trace}", LIED)
        blocks = [details[at : at + DETAILS_MAX] for at in range(0, len(details), DETAILS_MAX)]
        messages = [block_of(following()._replace(batch=batch), block) for block in blocks]
        messages += [alone(paper, CHIP, self._amount(paper)) for paper in papers if paper in chips]
        messages += [alone(paper, DETAILS, paper.amount_minor) for paper in papers if paper.told_until_answered]
        count = len(details) + len(papers) - len(plain)
        messages += [alone(paper, CHIP_REFUSED, paper.amount_minor) for paper in self._refused]
        return [*messages, end_of(following()._replace(batch=batch), count, balanced)]

    def _put_labels(self, told: list[Paper]) -> None:
        device = self.device
        self._labels.put(f"{device.terminal_id}/{device.batch}", UPLOADED)
        for paper in told:
            self._labels.put(record_of(paper.trace_key), SAID)
        if self._lie in (CHANGED, LEFT_OUT) and self._about is not None:
            self._labels.put(record_of(self._about.trace_key), LIED)

    def _amount(self, paper: Paper) -> int:
        return paper.amount_minor + (LIE_MINOR if self._lie == CHANGED and paper is self._about else 0)
