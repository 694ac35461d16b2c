"""``elasticluster gc``: find what is left of clusters that nobody here remembers, and remove it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import print_json
from elasticluster.exceptions import CloudProviderError, ElastiClusterError
from elasticluster.naming import printable

if TYPE_CHECKING:
    from elasticluster.orphans import Found, Survey

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Gc(AbstractCommand):
    """Remove what is left of clusters that nobody here remembers."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "gc",
            help="Remove what is left of clusters that nobody here remembers.",
            description="Ask clouds for everything that carries this program's labels although no stored "
            "cluster is known to own it, list it, and remove it. What was started by somebody else, or with "
            "another storage folder, is listed and left alone.",
            epilog="example: elasticluster gc --dry-run",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument(
            "--cloud",
            action="append",
            default=[],
            metavar="NAME",
            help="Ask only the cloud of the section [cloud/NAME]; repeatable (default: all of them).",
        )
        parser.add_argument("--owner", help="Remove what belongs to this owner, instead of what is ours.")
        parser.add_argument("-y", "--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--dry-run", action="store_true", help="Only list.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def execute(self) -> int:
        """List, ask, remove."""
        from elasticluster import orphans

        survey = orphans.survey(self.creator, self.params.cloud)
        chosen = [one for one in survey.found if self._is_meant(one)]
        self._list(survey, chosen)
        if not self.params.dry_run and chosen:
            self.confirm(self._question(chosen))
        left = {} if self.params.dry_run else {one.orphan.tags.uuid: self._remove(one) for one in chosen}
        if self.params.json:
            print_json([_data(one, left.get(one.orphan.tags.uuid)) for one in survey.found])
        return CloudProviderError.exit_code if survey.silent or any(left.values()) else 0

    def _is_meant(self, found: Found) -> bool:
        """Whether something is to be removed; tags that this program has not written are never trusted."""
        if found.orphan.forged:
            return False
        return _owner(found) == self.params.owner if self.params.owner is not None else found.ours

    def _list(self, survey: Survey, chosen: Collection[Found]) -> None:
        """Print what was found; with ``--json`` only to show what the question is about."""
        text = "\n".join(line for one in survey.found for line in [*self._lines(one, one in chosen), ""])
        if not self.params.json:
            where = " on the clouds that answered" if survey.silent else ""
            print(text or f"Nothing was found{where} that no stored cluster owns.", flush=True)
            if text and not chosen and self.params.owner is not None:
                say(f"Nothing of it belongs to '{self.params.owner}'.")
        elif chosen and not self.params.dry_run:
            say(text)
        for cloud, error in survey.silent.items():
            say(f"WARNING: Cloud '{cloud}' could not be asked: {error}")

    def _question(self, chosen: Sequence[Found]) -> str:
        names = ", ".join(printable(one.orphan.tags.name) for one in chosen)
        owner = f", which belongs to {self.params.owner}" if self.params.owner else ""
        return f"Do you want to destroy what there is of {names}{owner}, with all data?"

    def _remove(self, found: Found) -> str:
        """Remove something and say so; return why something of it may be left, if so."""
        from elasticluster import orphans

        tags = found.orphan.tags
        what = f"cluster `{printable(tags.name)}` ({tags.uuid})"
        try:
            failures = orphans.remove(self.creator, found)
            left = "; ".join(f"{part}: {reason}" for part, reason in failures.items())
        except ElastiClusterError as error:
            left = str(error)
        if left:
            say(f"WARNING: What there is of {what} could not be removed completely: {left}")
        elif not self.params.json:
            print(f"What there was of {what} was removed.", flush=True)
        return left

    def _lines(self, found: Found, chosen: bool) -> list[str]:  # noqa: FBT001 - private
        tags = found.orphan.tags
        name = printable(tags.name)
        lines = [
            name,
            "-" * len(name),
            f"  UUID:           {printable(tags.uuid)}",
            f"  cloud:          {found.cloud}",
            f"  owner:          {_owner(found)}{' (this storage)' if found.ours else ''}",
            f"  age:            {_age(found.age)}",
            f"  what:           {', '.join(_counted(found))}",
        ]
        if found.orphan.forged:
            lines.append("  left alone:     this program has not written these labels")
        elif not chosen:
            whose = [] if found.ours else ["--owner", _owner(found)]
            use = "" if found.ours else "may be in use from another storage folder; if it is not: "
            lines.append(f"  left alone:     {use}{self.line('gc', *whose)}")
        return lines

    def how_to_go_on(self) -> str:
        """Return that nothing else is needed."""
        return "What is left is found by the same command."


def _owner(found: Found) -> str:
    """Return whose something is, as it is shown and as ``--owner`` takes it."""
    return printable(found.orphan.tags.owner) or "unknown"


def _counted(found: Found) -> list[str]:
    kinds = Counter(resource.type for resource in found.orphan.resources)
    counts = [("instance", len(found.orphan.instances)), *sorted(kinds.items())]
    return [f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts if count]


def _age(seconds: float | None) -> str:
    """Return an age in its largest unit."""
    if seconds is None:
        return "not known"
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"


def _data(found: Found, left: str | None) -> dict[str, Any]:
    """Return something found as JSON-able data; `left` is None where nobody tried to remove it."""
    orphan = found.orphan
    return {
        "name": orphan.tags.name,
        "uuid": orphan.tags.uuid,
        "template": orphan.tags.template,
        "cloud": found.cloud,
        "owner": orphan.tags.owner,
        "ours": found.ours,
        "age": None if found.age is None else int(found.age),
        "instances": [machine.id for machine in orphan.instances],
        "resources": [{"type": resource.type, "id": resource.id} for resource in orphan.resources],
        "removed": left == "",
        "error": left or None,
    }
