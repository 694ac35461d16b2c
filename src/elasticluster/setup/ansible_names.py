"""The names of Ansible's own settings and variables, as far as its files tell them."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_FILES = (
    "config/base.yml",
    "plugins/connection/ssh.py",
    "plugins/become/sudo.py",
    "plugins/doc_fragments/shell_common.py",
)
_NAME_RE = re.compile(r"\bansible_[a-z0-9_]+", re.IGNORECASE)
_OTHERS = frozenset({"ansible_become_pass", "ansible_connection", "ansible_shell_type", "ansible_remote_tmp"})


@cache
def ansible_names() -> frozenset[str]:
    """Return names ``ansible_NAME`` that Ansible knows, in lower case; a few if Ansible is not installed.

    Its files are searched as text: to load what they describe takes longer than the rest of a check.
    """
    found = find_spec("ansible")
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []
    paths = (folder / name for folder in folders for name in _FILES)
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    return _OTHERS.union(name.lower() for text in texts for name in _NAME_RE.findall(text))
