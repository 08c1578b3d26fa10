"""Who stands at a terminal and what he may do: cashiers ask, the supervisor agrees, the administrator sets it up.

This is the one place where an operator is let in or sent away; a password will be asked for here.
"""

from typing import NamedTuple

SUPERVISOR, ADMINISTRATOR = "00", "99"
CASHIERS = frozenset(f"{number:02d}" for number in range(1, 21))

OPERATOR_CHARS = 2
"""A longer name is that of a system which drives the terminal, and no person."""

EVERYBODY = frozenset({"sign-on", "sign-off", "echo", "deliver", "rebuild"})
"""What keeps the terminal itself going."""

NOBODYS = frozenset({"mend"})
"""What no person does: whoever drives the terminal knows that its file was damaged."""


class Role(NamedTuple):
    """A kind of operator: `does` is what he may do, where it is not everything but what is `kept_from` him."""

    name: str
    does: frozenset[str] = frozenset()
    kept_from: frozenset[str] = frozenset()


_SETTING_UP = frozenset({"load", "download"})

CASHIER_ROLE = Role("cashier", kept_from=_SETTING_UP)
SUPERVISOR_ROLE = Role("supervisor", does=EVERYBODY | {"settle", "repeat"})
ADMINISTRATOR_ROLE = Role("administrator", does=EVERYBODY | _SETTING_UP)


def role_of(operator: str) -> Role | None:
    """The role of an operator number, None where there is no such operator."""
    if operator == SUPERVISOR:
        return SUPERVISOR_ROLE
    if operator == ADMINISTRATOR:
        return ADMINISTRATOR_ROLE
    return CASHIER_ROLE if operator in CASHIERS else None


def why_not(operator: str, command: str) -> str | None:
    """Why this operator may not do that; None when he may."""
    if len(operator) > OPERATOR_CHARS:
        return None
    role = role_of(operator)
    if command in NOBODYS:
        return f"{command} is for whoever drives the terminal, and for no operator"
    if role is None:
        return f"there is no operator {operator}: cashiers are 01 to 20, 00 is the supervisor, 99 the administrator"
    if command in role.does or (not role.does and command not in role.kept_from):
        return None
    return f"operator {operator} is {role.name}: {command} is not his to do"


def why_no_agreement(supervisor: str, what: str) -> str | None:
    """Why this is not the agreement of a supervisor; None when it is."""
    if not supervisor:
        return f"a {what} needs a supervisor"
    return None if supervisor == SUPERVISOR else f"operator {supervisor} is no supervisor: 00 must agree to a {what}"
