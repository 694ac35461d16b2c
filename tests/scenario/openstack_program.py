"""The program on the OpenStack test cloud, whose servers are all one machine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clouds.openstack.cloud import OpenStackCloud, Project

from elasticluster.cli.app import main
from elasticluster.providers.openstack.provider import OpenStackCloudProvider

NOTHING = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
TEMPLATE = """
[cloud/test]
{cloud}

[login/test]
image_user=admin

[setup/nothing]
provider=ansible
playbook_path={playbook}
frontend_groups=front
compute_groups=work

[cluster/mine]
cloud=test
login=test
setup=nothing
image_id=debian-13
flavor=m1.small
frontend_nodes=1
compute_nodes=2
ssh_to=frontend
{cluster}
"""
UUID_RE = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


@dataclass(frozen=True)
class Result:
    """What came of a command.

    Attributes:
        status: its exit status.
        out: what it printed.
        err: what it said, without line breaks.
    """

    status: int
    out: str
    err: str

    @property
    def verdict(self) -> list[str]:
        """What it printed of the cluster in the end, line by line, with UUID in place of each."""
        _, mark, rest = UUID_RE.sub("UUID", self.out).partition("Your cluster ")
        return [line.strip() for line in (mark + rest).splitlines()]


@dataclass
class Program:
    """The command line of somebody with a project of their own.

    Attributes:
        home: their home directory.
        cloud: where the project is.
        project: the project.
        spoken: returns what was printed since it was last asked.
    """

    home: Path
    cloud: OpenStackCloud
    project: Project
    spoken: Callable[[], tuple[str, str]]

    def configure(self, cloud: dict[str, str] | None = None, **cluster: object) -> None:
        """Write the configuration; keys given here take the place of those that there are."""
        section = {**self.project.section, **(cloud or {})}
        named = {"start_timeout": 120, **cluster}
        playbook = self.home / "nothing.yml"
        playbook.write_text(NOTHING)
        text = TEMPLATE.format(cloud=_lines(section), playbook=playbook, cluster=_lines(named))
        head, mark, last = text.partition("[cluster/mine]\n")
        lines = {line.partition("=")[0]: line for line in last.splitlines()}  # of two, the last one counts
        folder = self.home / ".elasticluster"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text(head + mark + "\n".join(lines.values()) + "\n")

    def run(self, *words: str) -> Result:
        """Run a command to its end."""
        self.spoken()
        status = main(words)
        out, err = self.spoken()
        return Result(status, out, " ".join(err.split()))

    def start(self) -> Result:
        """Start the cluster, without setting it up."""
        return self.run("start", "mine", "--no-setup")

    def stop(self) -> Result:
        """Stop the cluster."""
        return self.run("stop", "--yes", "mine")

    def nodes(self) -> dict[str, Any]:
        """Return what is known of the nodes, by name."""
        listed = json.loads(self.run("list-nodes", "--json", "mine").out)["nodes"]
        return {node["name"]: node for node in listed}


def _lines(keys: dict[str, Any]) -> str:
    return "\n".join(f"{name}={value}" for name, value in keys.items())


class Impatient(OpenStackCloudProvider):
    """The provider, if it waited no longer than this for a cloud that does not answer."""

    patience = 2.0
