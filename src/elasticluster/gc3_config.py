"""GC3Pie's view of a cluster, under its documented name."""

from elasticluster.cli.gc3pie import snippet as create_gc3pie_config_snippet
from elasticluster.cli.gc3pie_facts import Facts, read_facts

__all__ = ["Facts", "create_gc3pie_config_snippet", "read_facts"]
