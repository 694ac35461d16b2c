"""``elasticluster bake``: make images for the nodes of a template, list them, remove them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elasticluster.cli.command import AbstractCommand, say
from elasticluster.cli.data import print_json
from elasticluster.exceptions import CloudProviderError, SetupProviderError, UsageError

if TYPE_CHECKING:
    from elasticluster.engine.bake import Baked, Kept
    from elasticluster.model import PreparedImage

_MEGABYTE = 1_000_000


class Bake(AbstractCommand):
    """Make images for the nodes of a template, so that starting them takes less time."""

    def setup(self, subparsers: Any) -> None:
        """Add the parser."""
        parser = subparsers.add_parser(
            "bake",
            help="Make images for the nodes of a template, so that they start faster.",
            description="For each kind of node of a template, install on a machine what such nodes need, "
            "and make an image of it. From then on `start` and `resize` make nodes of these images. Images "
            "that are up to date are left as they are; older ones are removed.",
            epilog="example: elasticluster bake slurm",
        )
        parser.set_defaults(func=self.execute)
        parser.add_argument("cluster", help="Name of a [cluster/NAME] section of the configuration file.")
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--force", action="store_true", help="Also make images that are up to date.")
        either.add_argument("--list", action="store_true", help="Only list the images of the template.")
        either.add_argument("--remove", action="store_true", help="Remove the images of the template.")
        parser.add_argument("--json", action="store_true", help="With --list: print JSON.")

    def pre_run(self) -> None:
        """Refuse JSON where nothing is listed."""
        if self.params.json and not self.params.list:
            raise UsageError("`--json` goes with `--list`.")

    def execute(self) -> int:
        """Do what was asked for; images are made if nothing else was."""
        if self.params.list:
            return self._list()
        return self._remove() if self.params.remove else self._bake()

    def how_to_go_on(self) -> str:
        """Return the command that removes the machines, if there are any."""
        from elasticluster.images import bake_name

        name = bake_name(self.params.cluster)
        left = f"\nTo remove its machines: {self.line('stop', name)}" if self.carry_on(name) else ""
        return f"{self._again}{left}"

    @property
    def _again(self) -> str:
        given = [f"--{name}" for name in ("force", "list", "remove", "json") if getattr(self.params, name)]
        return f"To try again: {self.line('bake', self.params.cluster, *given)}"

    def _bake(self) -> int:
        from elasticluster import images
        from elasticluster.cli.progress import shown

        with shown(self.params.verbose) as listener:
            baked = images.bake(self.creator, self.params.cluster, listener, force=self.params.force)
        print("\n".join(map(_line, baked)), flush=True)
        if any(one.error for one in baked):
            say(f"Nodes without an image are set up from the beginning.\n{self._again}")
            return SetupProviderError.exit_code
        if not any(one.seconds for one in baked):
            say("Nothing was done: the images are up to date.")
        return 0

    def _list(self) -> int:
        from elasticluster import images

        found = images.survey(self.creator, self.params.cluster)
        if self.params.json:
            print_json([_data(one) for one in found])
        elif found:
            print("\n".join(f"{_kinds(one)}: {_described(one.image)}" for one in found))
        else:
            print(f"There are no images for template `{self.params.cluster}`.")
        return 0

    def _remove(self) -> int:
        from elasticluster import images

        left = images.remove(self.creator, self.params.cluster)
        for image, error in left.items():
            if error:
                say(f"WARNING: {error}")
            else:
                print(f"Image {image} was removed.")
        if not left:
            print(f"There are no images for template `{self.params.cluster}`.")
        return CloudProviderError.exit_code if any(left.values()) else 0


def _line(baked: Baked) -> str:
    kinds = ", ".join(baked.kinds)
    if not baked.image:
        return f"{kinds}: no image: {baked.error}"
    time = f"{baked.seconds:.0f} s" if baked.seconds else "up to date"
    return f"{kinds}: {_described(baked.image)}, {time}"


def _described(image: PreparedImage) -> str:
    size = [f"{image.size / _MEGABYTE:.0f} MB"] if image.size else []
    return ", ".join([image.id, *size])


def _kinds(kept: Kept) -> str:
    return ", ".join(kept.kinds) or f"out of date ({kept.image.tags.kind})"


def _data(kept: Kept) -> dict[str, str | int | Sequence[str]]:
    """Return an image as JSON-able data; an image of no kinds is out of date."""
    image = kept.image
    return {
        "id": image.id,
        "kinds": kept.kinds,
        "size": image.size,
        "template": image.tags.template,
        "created": image.tags.created,
    }
