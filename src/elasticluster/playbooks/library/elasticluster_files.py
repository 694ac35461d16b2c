# ruff: noqa: INP001 - Ansible loads it by its path
"""Ansible module that writes several text files of a node in one step."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]

DOCUMENTATION = """
module: elasticluster_files
short_description: Write several text files of a node in one step
description:
  - Makes each file have exactly this content, owner, group and mode. Folders that are missing are made,
    with mode 0755.
  - A file is replaced at once, never written in part. What is right already is left alone.
  - A step costs about as much as C(ansible.builtin.copy) does for a single file.
options:
  files:
    description: The files, in the order in which they are written.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file.
        type: str
        required: true
      owner:
        description: Name of the user whom it belongs to.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Its permissions, as an octal number.
        type: str
        default: "0644"
      validate:
        description:
          - Command that fails where the new file is wrong; C(%s) stands for its name. The old one stays then.
          - It runs without a shell, and only where the text changes.
        type: str
  contents:
    description:
      - The whole text of each file, by its path. A line end is added where there is none.
      - It is neither shown nor logged.
    type: dict
    required: true
author: The ElastiCluster developers
"""

EXAMPLES = """
- name: Write the configuration
  elasticluster_files:
    files:
      - path: /etc/example/example.conf
        mode: "0600"
    contents:
      /etc/example/example.conf: "{{ lookup('ansible.builtin.template', 'example.conf.j2') }}"
"""

RETURN = """
written:
  description: Paths of the files that were not as they should be.
  returned: always
  type: list
  elements: str
"""

_FILE = {
    "path": {"type": "str", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "validate": {"type": "str"},
}


def _text(module: AnsibleModule, file: dict[str, Any]) -> str:
    """Return the text that the file is to have."""
    content = module.params["contents"].get(file["path"])
    if content is None:
        module.fail_json(msg=f"there is no text for {file['path']} in contents")
    text = str(content)
    return text if text.endswith("\n") else text + "\n"


def _present(path: str) -> str | None:
    """Return the text that the file has; None if it is not there or holds no text."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - Ansible's way
            return file.read()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _replace(module: AnsibleModule, file: dict[str, Any]) -> None:
    """Put a new file in the place of the old one; nobody sees a part of it, or more than the mode allows."""
    folder = os.path.dirname(file["path"])  # noqa: PTH120
    os.makedirs(folder, mode=0o755, exist_ok=True)  # noqa: PTH103
    handle, new = tempfile.mkstemp(prefix=".elasticluster-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(_text(module, file))
        _set_attributes(module, {**file, "path": new})
        _validate(module, file, new)
        os.replace(new, file["path"])  # noqa: PTH105
    except BaseException:
        os.unlink(new)  # noqa: PTH108
        raise
    module.set_default_selinux_context(file["path"], changed=False)


def _validate(module: AnsibleModule, file: dict[str, Any], new: str) -> None:
    """Fail where the new file is wrong; what is said of it is said by its final name."""
    if not file["validate"]:
        return
    status, _, wrong = module.run_command(file["validate"].replace("%s", new))
    if status:
        module.fail_json(msg=wrong.strip().replace(new, file["path"]) or f"{file['path']} is wrong")


def _set_attributes(module: AnsibleModule, file: dict[str, Any]) -> bool:
    """Set owner, group and mode; return whether one of them was another."""
    changed = module.set_owner_if_different(file["path"], file["owner"], changed=False)
    changed = module.set_group_if_different(file["path"], file["group"], changed)
    return bool(module.set_mode_if_different(file["path"], file["mode"], changed))


def _write(module: AnsibleModule, file: dict[str, Any]) -> bool:
    """Make one file as it should be; return whether it was not."""
    if _present(file["path"]) == _text(module, file):
        return _set_attributes(module, file)
    if not module.check_mode:
        _replace(module, file)
    return True


def main() -> None:
    """Run as Ansible runs a module."""
    files = {"type": "list", "elements": "dict", "required": True, "options": _FILE}
    # Not an option of each file: of those, Ansible's log on the node would show texts of several lines.
    contents = {"type": "dict", "required": True, "no_log": True}
    module = AnsibleModule(argument_spec={"files": files, "contents": contents}, supports_check_mode=True)
    written = [file["path"] for file in module.params["files"] if _write(module, file)]
    module.exit_json(changed=bool(written), written=written)


if __name__ == "__main__":
    main()
