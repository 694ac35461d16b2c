"""The same small Slurm cluster as in the unit tests, for runs of the real Ansible."""

from tests.unit.setup.conftest import cluster, job, settings

__all__ = ["cluster", "job", "settings"]
