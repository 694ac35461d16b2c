"""What to say where a name is unknown to a cloud: the nearest of its names, and some of the others."""

from __future__ import annotations

from collections.abc import Iterable

from elasticluster.config.problems import nearest

_SHOWN = 10


def suggestion(wanted: str, known: Iterable[str], what: str = "") -> str:
    """Return a hint with the name that may have been meant, and what there is.

    Args:
        wanted: the name that is unknown.
        known: the names that are not; they are shown sorted, the first few of them.
        what: what they are names of, in the plural.

    Returns:
        one or two sentences; empty if nothing is known.

    >>> suggestion("m1.smal", ["m1.tiny", "m1.small"], "flavors")
    "Did you mean 'm1.small'? These flavors exist: m1.small, m1.tiny."
    """
    names = sorted({name for name in known if name})
    if not names:
        return ""
    near = nearest(wanted, names)
    meant = f"Did you mean '{near}'? " if near else ""
    listed = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    exist = f"These {what} exist" if what else "There are"
    return f"{meant}{exist}: {listed}{more}."
