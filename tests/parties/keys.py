"""The key service of tests in one process: that of made-up worlds, with dice of its own."""

from holdfast.sim.keys import SimKeys


class PlainKeys(SimKeys):
    """`keys.interface.Keys`: a wrapped key is its purpose and the key in clear; dice are numbered."""

    def __init__(self) -> None:
        super().__init__("tests", "one machine")
