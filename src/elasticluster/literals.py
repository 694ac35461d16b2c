"""How truth values and numbers are written, in the configuration as in variables of roles."""

from __future__ import annotations

import re
from collections.abc import Mapping

TRUTH: Mapping[str, bool] = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
"""Words in lower case, and what they say."""

WHOLE_RE = re.compile(r"[+-]?[0-9]{1,18}")
"""A whole number; Python's own reading takes ``6_00`` too. More digits are no number that anybody means."""

NUMBER_RE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
"""A number."""
