"""The working keys of a standard terminal: what a sign-on brings, what it seals with, and which seals it believes."""

from holdfast.errors import KeyRefused
from holdfast.sim.keys import SimKeys
from holdfast.wire.codec import encode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, parse_working_keys, put_mac

PLACEHOLDER = "00000000"
APPROVED, KEYS_DIFFER = "00", "A7"


class WorkingKeys:
    """Keys under the terminal's master key; none until it has signed on."""

    def __init__(self, keys: SimKeys, tmk: bytes, mac_algorithm: str) -> None:
        self._keys = keys
        self._tmk = keys.import_key("tmk", tmk)
        self._mac_algorithm = mac_algorithm
        self._pik = self._mak = b""

    @property
    def there(self) -> bool:
        """Whether it has signed on."""
        return bool(self._mak)

    def forget(self) -> None:
        """It must sign on again."""
        self._mak = b""

    def take(self, message: Message) -> str:
        """The answer to a sign-on: its code, or that its keys are of another master key."""
        code = message.get(39)
        if code != APPROVED:
            return code
        try:
            sent = parse_working_keys(message.get_bytes(62))
            pik = self._keys.import_under(self._tmk, "pik", sent.pik, sent.pik_check)
            mak = self._keys.import_under(self._tmk, "mak", sent.mak, sent.mak_check)
        except KeyRefused:
            return KEYS_DIFFER
        self._pik, self._mak = pik, mak
        return code

    def pin_block(self, pin: str, pan: str) -> bytes:
        """The PIN as it travels; none where none was typed."""
        return self._keys.pin_block(self._pik, pin, pan) if pin else b""

    def sealed(self, message: Message) -> bytes:
        """The bytes of a message under its MAC."""
        body = encode(UNIONPAY, Message(message.mti, {**message.fields, 64: PLACEHOLDER}))
        return put_mac(body, self._keys.mac(self._mak, self._mac_algorithm, mac_block(UNIONPAY, body)))

    def hold(self, message: Message) -> bool:
        """Whether a message's MAC holds."""
        block = mac_block(UNIONPAY, message.raw)
        return self.there and self._keys.verify_mac(self._mak, self._mac_algorithm, block, message.get(64))
