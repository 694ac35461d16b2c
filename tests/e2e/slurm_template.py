"""A template `slurm` for nodes on this computer and the playbooks that come with the program."""

TEMPLATE = """
[cloud/local]
provider=docker

[login/local]
image_user=debian

[setup/slurm]
provider=ansible
frontend_groups=slurm_master
compute_groups=slurm_worker
{setup}

[cluster/slurm]
cloud=local
login=local
setup=slurm
image_id={release}
flavor=1cpu-1ram
frontend_nodes=1
{cluster}
"""


def configure(user, release, *, setup, cluster):
    """Write the template, with further lines in two of its sections; other sections may follow the last."""
    user.configure(TEMPLATE.format(release=release, setup=setup, cluster=cluster))
