"""``elasticluster list-templates``: the templates of the configuration file."""

from __future__ import annotations

from typing import Any

from elasticluster.cli import render
from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import print_json, template_data


class ListTemplates(AbstractCommand):
    """List the available templates defined in the configuration file."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "list-templates",
            help="Show the available cluster templates.",
            description="Show the cluster templates of the configuration file. With patterns, those whose "
            "name matches at least one of them.",
            epilog="example: elasticluster list-templates '*slurm*'",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument(
            "clusters", nargs="*", metavar="pattern", help="Pattern of names, like `*slurm*`."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """List; what is wrong with a template is said on standard error."""
        patterns = self.params.clusters
        found = self.creator.list_templates(patterns)
        for problem in self.creator.configuration.general_problems:
            say(f"WARNING: {problem}")
        for summary in found:
            for problem in summary.problems:
                say(f"WARNING: {problem}")
        if self.params.json:
            print_json([template_data(summary) for summary in found])
        else:
            print(render.template_list([(s.name, s.cloud, s.counts) for s in found], patterns))
        return 0
