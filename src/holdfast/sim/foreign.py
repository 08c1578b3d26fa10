"""A network that is not ours, between the acquirer and a foreign issuer: it answers late, twice, in part, or with 98.

What it makes of an answer is sealed as the issuer's own would be: to the acquirer it is the issuer. A question always
reaches the issuer, so that what the network says and what the issuer booked may be two things.
"""

from holdfast.sim.faults import FOREIGN_98, FOREIGN_LATE, FOREIGN_PART, FOREIGN_TWICE, Faults
from holdfast.sim.keys import SimKeys
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.framing import frame as framed
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, put_mac

MAC_ALGORITHM = "x919"
LATE_S = (8.0, 90.0)
"""An acquirer is patient for twelve seconds."""
TWICE_S = (0.0, 30.0)
LENGTH_BYTES = 2
ANSWERS_OF_QUESTIONS = ("0110", "0210")
RESERVED = ("10", "11", "A2", "A4", "A5", "A6")
SILENT = "98"


class ForeignNetwork:
    """Stands at the issuer's end of each connection that leads to one issuer."""

    def __init__(self, faults: Faults, keys: SimKeys, zone_mac: bytes) -> None:
        self._faults = faults
        self._keys = keys
        self._zone_mac = keys.import_key("zone-mac", zone_mac)

    def between(self, frame: bytes) -> list[tuple[int, bytes]]:
        """What becomes of one answer of the issuer."""
        faults = self._faults
        if faults.strikes(FOREIGN_98):
            faults.count(FOREIGN_98)
            frame = self._saying(frame, SILENT)
        elif faults.strikes(FOREIGN_PART):
            frame = self._in_part(frame)
        sent = [(0, frame)]
        if faults.strikes(FOREIGN_LATE):
            faults.count(FOREIGN_LATE)
            sent = [(faults.between(*LATE_S), frame)]
        if faults.strikes(FOREIGN_TWICE):
            faults.count(FOREIGN_TWICE)
            sent.append((sent[0][0] + faults.between(*TWICE_S), frame))
        return sent

    def _in_part(self, frame: bytes) -> bytes:
        message = decode(ASCII_1987, frame[LENGTH_BYTES:])
        if message.mti not in ANSWERS_OF_QUESTIONS or message.get(39) != "00":
            return frame
        self._faults.count(FOREIGN_PART)
        return self._saying(frame, self._faults.dice.choice(RESERVED))

    def _saying(self, frame: bytes, code: str) -> bytes:
        message = decode(ASCII_1987, frame[LENGTH_BYTES:])
        body = encode(ASCII_1987, Message(message.mti, {**message.fields, 39: code}))
        return framed(put_mac(body, self._keys.mac(self._zone_mac, MAC_ALGORITHM, mac_block(ASCII_1987, body))))
