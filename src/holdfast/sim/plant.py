"""Bugs to test the auditor with: each is a known way in which a record gets lost or money moves wrongly.

They live in the modules `bugs_…`, by the party in which they are, and nowhere else.
"""

from holdfast.sim import (
    bugs_acquirer,
    bugs_answers,
    bugs_engine,
    bugs_facts,
    bugs_harmless,
    bugs_issuer,
    bugs_terminal,
    bugs_trade,
)
from holdfast.sim.tampering import HONEST, Bug, Cast

__all__ = ["BUGS", "HARMLESS", "HONEST", "Bug", "Cast"]

BUGS: dict[str, Bug] = {
    **bugs_terminal.BUGS,
    **bugs_acquirer.BUGS,
    **bugs_trade.BUGS,
    **bugs_answers.BUGS,
    **bugs_issuer.BUGS,
    **bugs_engine.BUGS,
    **bugs_facts.BUGS,
    **bugs_harmless.BUGS,
}

HARMLESS: dict[str, str] = bugs_harmless.WHY
"""Those of them that cannot harm, and why: nothing may be complained of."""
