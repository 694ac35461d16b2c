"""What the roles' conditions and templates come to, by the real Ansible on this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.playbooks.local_play import ROLES, WORKERS, cluster, play, tasks


def conditions() -> list[str]:
    found = [task["when"] for task in tasks() if "when" in task]
    return [text for when in found for text in (when if isinstance(when, list) else [when])]


def test_conditions_are_true_or_false(tmp_path: Path) -> None:
    that = [f"({condition}) is boolean" for condition in conditions()]
    homes = ("nfs", "volume", "none")
    steps = [{"ansible.builtin.assert": {"that": that}, "vars": {"elasticluster": cluster(h)}} for h in homes]
    done = play(tmp_path, *steps)
    assert done.returncode == 0, done.stdout + done.stderr


def exports(path: Path) -> dict[str, Any]:
    """Return the step that exports home directories, into another file."""
    (step,) = [task for task in tasks() if task["name"] == "Export the home directories"]
    (module,) = [key for key in step if "." in key]
    ours = {key: value for key, value in step[module].items() if key not in ("owner", "group")}
    return {module: ours | {"path": str(path)}, "when": step["when"]}


def test_exports_are_written_where_their_folder_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "templates").symlink_to(ROLES / "common/templates")
    written = tmp_path / "exports.d/elasticluster.exports"
    done = play(tmp_path, exports(written))
    assert done.returncode == 0, done.stdout + done.stderr
    exported = [line for line in written.read_text().splitlines() if not line.startswith("#")]
    assert exported == [f"/home {worker}(rw,no_subtree_check)" for worker in sorted(WORKERS)]
