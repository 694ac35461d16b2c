"""A cluster with a playbook of the user's own: it is up in seconds, and nothing is installed on it."""

import json
import time

NOTHING = "- hosts: all\n  gather_facts: false\n  tasks: []\n"
WAITING = """
- name: A play of mine
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait for the end
      ansible.builtin.command: sleep 600
      changed_when: false
"""
UNTIL_ALLOWED = """
- name: A play of mine
  hosts: all
  gather_facts: false
  tasks:
    - name: Wait until told
      ansible.builtin.shell: until test -e /var/tmp/told; do sleep 0.2; done
      changed_when: false
"""
CONFIG = """
[cloud/local]
provider=docker

[login/local]
image_user=debian

[setup/mine]
provider=ansible
playbook_path={playbook}
frontend_groups=front
compute_groups=work

[cluster/slurm]
cloud=local
login=local
setup=mine
image_id=debian-13
flavor=1cpu-0.5ram
frontend_nodes=1
compute_nodes=1
"""


def write(user, playbook=NOTHING, **cluster):
    """Write a playbook and a configuration; keys given here take the place of those above."""
    path = user.home / "mine.yml"
    path.write_text(playbook)
    lines = CONFIG.format(playbook=path).splitlines()
    for key, value in cluster.items():
        lines = [line for line in lines if not line.startswith(f"{key}=")] + [f"{key}={value}"]
    user.configure("\n".join(lines) + "\n")


def nodes(user, *options, cluster="slurm"):
    """Return what `list-nodes` says, by the nodes' names."""
    listed = json.loads(user.ok("list-nodes", "--json", *options, cluster))["nodes"]
    return {node["name"]: node for node in listed}


def ids(user, cluster="slurm"):
    """Return the instance id of each node by name."""
    return {name: node["instance_id"] for name, node in nodes(user, cluster=cluster).items()}


def wait_for(look, seconds=120):
    """Return what `look` returns, as soon as there is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
