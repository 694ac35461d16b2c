"""Images for the nodes of a template: made of machines that are gone afterwards, used by whoever they fit."""

from dataclasses import replace

import pytest

from elasticluster.engine import execute
from elasticluster.engine.bake import bake, made_for, remove, survey
from elasticluster.engine.events import NodeDone, Notice, Phase, PhaseStarted, Warned
from elasticluster.engine.fakes import FakeCloud
from elasticluster.engine.run import is_bake
from elasticluster.exceptions import (
    CloudProviderError,
    ClusterConflict,
    ConfigurationError,
    ImageError,
    QuotaError,
    UnsupportedError,
)
from elasticluster.model import Failure, Layer, NodeSpec, Verdict

FRONTEND = NodeSpec(kind="frontend", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
COMPUTE = replace(FRONTEND, kind="compute", image_userdata="echo hello")
SPECS = {"frontend": FRONTEND, "compute": COMPUTE}


@pytest.fixture
def world(world):
    world.cloud = Secretive(clock=world.cloud.clock)
    world.setup.keys = {"frontend": "master", "compute": "worker"}
    return world


@pytest.fixture
def baking(new_cluster):
    """Return a cluster of the template under the name that its bake has."""
    return new_cluster("bake-slurm", owner="me")


@pytest.fixture
def cluster(new_cluster):
    return new_cluster(owner="me")


class Secretive(FakeCloud):
    """A cloud where images may be used but not listed by everybody, and where they change.

    Attributes:
        forbidden: whether they may not be listed.
        hidden: whether none is listed.
        bases: what the base of an image is, one time after the other; the last one stays.
    """

    forbidden = False
    hidden = False
    bases = ()

    def image_base(self, spec):
        base, *later = self.bases or (spec.image_id,)
        self.bases = later or self.bases
        return base

    def list_images(self):
        if self.forbidden:
            raise CloudProviderError("Images may not be listed.")
        return [] if self.hidden else super().list_images()


def booted(world):
    """Return the prepared image that each node was made of; empty for none."""
    return {one.tags.node: world.cloud.booted[one.id] for one in world.cloud.list_instances()}


def nothing_is_left(world):
    return (world.cloud.machines, world.cloud.shared, world.store.names()) == ({}, set(), [])


def test_bake_makes_an_image_for_each_kind_and_leaves_no_machine(world, baking):
    frontend, compute = bake(baking, world.tools, SPECS)
    assert (frontend.kinds, compute.kinds) == (("frontend",), ("compute",))
    assert {frontend.image.id, compute.image.id} == world.cloud.images.keys()
    assert frontend.seconds > 0
    assert nothing_is_left(world)


def test_machines_of_a_bake_are_on_record_while_they_are_there(world, baking):
    def look():
        record = world.store.load("bake-slurm")
        assert is_bake(record)
        assert {node.instance_id for node in record.nodes} == world.cloud.machines.keys()
        assert [node.spec.image_userdata for node in record.nodes] == ["", ""]

    world.setup.meanwhile = look
    bake(baking, world.tools, SPECS)
    assert len(world.setup.jobs) == 1


def test_bake_configures_nothing_and_needs_no_secrets(world, baking):
    bake(baking, world.tools, SPECS)
    (job,) = world.setup.jobs
    assert job.cluster.secrets == {}


def test_kinds_that_need_the_same_share_an_image(world, baking):
    specs = {**SPECS, "spare": replace(COMPUTE, kind="spare", flavor="8cpu-64ram")}
    world.setup.keys["spare"] = "worker"
    baked = bake(baking, world.tools, specs)
    assert [one.kinds for one in baked] == [("frontend",), ("compute", "spare")]
    assert len(world.cloud.images) == 2


@pytest.mark.parametrize("change", [{"image_id": "debian-12"}, {"image_user": "admin"}])
def test_kinds_with_other_systems_or_users_share_none(world, baking, change):
    world.setup.keys["spare"] = "worker"
    specs = {"compute": COMPUTE, "spare": replace(COMPUTE, kind="spare", **change)}
    assert len(bake(baking, world.tools, specs)) == 2


def test_second_bake_does_nothing(world, baking):
    first = bake(baking, world.tools, SPECS)
    calls = world.cloud.calls["create_instances"]
    second = bake(baking, world.tools, SPECS)
    assert world.cloud.calls["create_instances"] == calls
    assert [one.seconds for one in second] == [0, 0]
    assert [one.image for one in second] == [one.image for one in first]


def test_force_makes_new_images_and_removes_the_old(world, baking, new_cluster):
    first = {one.image.id for one in bake(baking, world.tools, SPECS)}
    later = new_cluster("bake-slurm", owner="me", created=1e9)
    second = {one.image.id for one in bake(later, world.tools, SPECS, force=True)}
    assert first.isdisjoint(second)
    assert world.cloud.images.keys() == second


def test_only_what_is_out_of_date_is_made_anew(world, baking):
    frontend, compute = bake(baking, world.tools, SPECS)
    world.setup.keys["compute"] = "another worker"
    again = bake(baking, world.tools, SPECS)
    assert again[0].image == frontend.image
    assert again[1].image != compute.image
    assert world.cloud.images.keys() == {one.image.id for one in again}


def test_images_of_others_and_of_other_templates_are_left_alone(world, baking):
    other = replace(baking, template="other")
    bake(other, world.tools, SPECS)
    bake(replace(baking, owner="somebody"), world.tools, SPECS)
    world.setup.keys = {"frontend": "master 2", "compute": "worker 2"}
    bake(baking, world.tools, SPECS)
    assert len(world.cloud.images) == 6
    assert len(remove(world.cloud, "me", "slurm")) == 2
    assert made_for(world.cloud, "me", "slurm") == []
    assert len(world.cloud.images) == 4


def test_nodes_boot_from_images_that_fit(world, baking, cluster):
    frontend, compute = bake(baking, world.tools, SPECS)
    assert world.start(cluster).verdict is Verdict.READY
    assert booted(world) == {
        "frontend001": frontend.image.id,
        "compute001": compute.image.id,
        "compute002": compute.image.id,
    }
    assert world.told(Notice) == []


def test_start_without_images_says_nothing_of_them(world, cluster):
    world.start(cluster)
    assert world.told(Notice) == []


def test_start_with_images_that_are_out_of_date_does_without_and_says_so(world, baking, cluster):
    bake(baking, world.tools, SPECS)
    world.setup.keys["compute"] = "another worker"
    assert world.start(cluster).verdict is Verdict.READY
    (notice,) = world.told(Notice)
    assert notice.text == (
        "The images of template 'slurm' are out of date for these nodes, which are set up from the "
        "beginning: compute. New images: elasticluster bake slurm"
    )


def test_images_that_cannot_be_listed_do_not_keep_nodes_from_being_made(world, baking, cluster):
    bake(baking, world.tools, SPECS)
    world.cloud.forbidden = True
    assert world.start(cluster).verdict is Verdict.READY
    assert [warning.text for warning in world.told(Warned)] == [
        "Prepared images cannot be looked for: Images may not be listed."
    ]


def test_cloud_is_not_asked_for_images_where_nothing_can_be_prepared(world, cluster):
    world.setup.keys = {}
    world.start(cluster)
    assert world.cloud.calls["list_images"] == 0


def test_kind_that_fails_is_named_and_the_other_has_its_image(world, baking):
    world.setup.failing["compute001"] = "no such package"
    frontend, compute = bake(baking, world.tools, SPECS)
    assert frontend.image
    assert (compute.image, compute.error) == (None, "setup: no such package")
    assert [image.tags.kind for image in world.cloud.images.values()] == ["frontend"]
    assert nothing_is_left(world)


def test_older_image_of_a_kind_that_fails_is_kept(world, baking):
    bake(baking, world.tools, SPECS)
    world.setup.keys = {"frontend": "master 2", "compute": "worker 2"}
    world.setup.failing["compute001"] = "no such package"
    bake(baking, world.tools, SPECS)
    kept = survey(baking, world.tools, SPECS)
    assert [(one.image.tags.kind, one.kinds) for one in kept] == [
        ("compute", ()),
        ("frontend", ("frontend",)),
    ]


def test_machine_that_cannot_be_made_an_image_of_is_named(world, baking):
    world.cloud.blurred["frontend"] = ImageError("No space.")
    frontend, compute = bake(baking, world.tools, SPECS)
    assert (frontend.image, frontend.error) == (None, "No space.")
    assert compute.image
    assert nothing_is_left(world)
    phase = [event for event in world.told(NodeDone) if event.phase is Phase.CAPTURE]
    assert {event.node: event.message for event in phase} == {"frontend001": "No space.", "compute001": ""}


def test_machine_that_does_not_come_up_is_named(world, baking):
    world.cloud.broken["compute001"] = QuotaError("No more machines.")
    frontend, compute = bake(baking, world.tools, SPECS)
    assert frontend.image
    assert (compute.image, compute.error) == (None, "create: No more machines.")
    assert nothing_is_left(world)


def test_no_image_is_made_of_a_machine_that_nobody_knows_to_be_sealed(world, baking):
    world.setup.broken = "Ansible ended early"
    assert [one.error for one in bake(baking, world.tools, SPECS)] == ["setup: Ansible ended early"] * 2
    assert world.cloud.images == {}
    assert nothing_is_left(world)


def test_where_no_machine_lets_us_in_nothing_is_installed(world, baking):
    deaf = Failure(layer=Layer.REFUSED, message="nobody there")
    world.network.deaf = {"frontend001": deaf, "compute001": deaf}
    assert all(one.error for one in bake(replace(baking, start_timeout=3), world.tools, SPECS))
    assert world.setup.jobs == []
    assert nothing_is_left(world)


def test_bake_that_cannot_begin_leaves_nothing(world, baking):
    world.cloud.refused = QuotaError("No more machines.")
    with pytest.raises(QuotaError):
        bake(baking, world.tools, SPECS)
    assert nothing_is_left(world)


def test_problem_in_the_configuration_is_found_before_anything_is_made(world, baking):
    world.setup.refused = ConfigurationError("No such variable.")
    with pytest.raises(ConfigurationError):
        bake(baking, world.tools, SPECS)
    assert world.told(PhaseStarted) == []
    assert nothing_is_left(world)


def test_cloud_that_cannot_do_it_says_so_before_anything_is_made(world, baking):
    world.cloud.captures_instances = False
    with pytest.raises(UnsupportedError, match="cannot make images of machines"):
        bake(baking, world.tools, SPECS)
    assert nothing_is_left(world)
    assert survey(baking, world.tools, SPECS) == ()


def test_template_for_which_nothing_can_be_prepared_is_refused(world, baking):
    world.setup.keys = {}
    with pytest.raises(UnsupportedError, match="Nothing can be prepared for the nodes of template 'slurm'"):
        bake(baking, world.tools, SPECS)


def test_new_nodes_boot_from_the_image_too(world, baking, cluster):
    _, compute = bake(baking, world.tools, SPECS)
    record = world.start(cluster).cluster
    node = replace(record.node("compute002"), name="compute003", instance_id=None, batch=None)
    grown = replace(record, nodes=(*record.nodes, node))
    assert world.grow(grown, ["compute003"]).verdict is Verdict.READY
    assert booted(world)["compute003"] == compute.image.id


def test_image_is_found_again_whose_base_has_changed_after_its_machine_was_made(world, baking):
    world.cloud.bases = ("old", "as made", "new")
    (compute,) = bake(baking, world.tools, {"compute": COMPUTE})
    assert (compute.image.id, compute.error) == (*world.cloud.images, "")
    world.cloud.bases = ("as made",)
    (again,) = bake(baking, world.tools, {"compute": COMPUTE})
    assert (again.image, again.seconds) == (compute.image, 0)


def test_image_is_found_again_whose_playbooks_have_changed_while_it_was_made(world, baking):
    world.setup.meanwhile = lambda: world.setup.keys.update(compute="another worker")
    (compute,) = bake(baking, world.tools, {"compute": COMPUTE})
    assert compute.image
    world.setup.keys["compute"] = "worker"
    assert bake(baking, world.tools, {"compute": COMPUTE})[0].image == compute.image


def test_image_that_the_cloud_does_not_list_is_an_error_and_the_older_one_stays(world, baking):
    before = bake(baking, world.tools, {"compute": COMPUTE})[0].image
    world.setup.keys["compute"] = "another worker"
    world.cloud.hidden = True
    (compute,) = bake(baking, world.tools, {"compute": COMPUTE})
    assert (compute.image, compute.error) == (None, "The image was made, but the cloud does not list it.")
    assert before.id in world.cloud.images


def test_image_without_a_known_base_is_not_made(world, baking):
    world.cloud.bases = ("",)
    (compute,) = bake(baking, world.tools, {"compute": COMPUTE})
    assert (compute.image, compute.error) == (None, "The cloud cannot tell what the machine was made of.")
    assert (world.cloud.images, nothing_is_left(world)) == ({}, True)


def test_survey_finds_problems_in_the_configuration(world, baking):
    world.setup.refused = ConfigurationError("No such variable.")
    with pytest.raises(ConfigurationError):
        survey(baking, world.tools, SPECS)


@pytest.mark.parametrize(
    "command",
    [
        lambda world, left: world.start(left),
        lambda world, left: world.configure(left),
        lambda world, left: world.grow(left, ["compute001"]),
        lambda world, left: world.shrink(left, ["compute001"]),
        lambda world, left: world.pause(left),
        lambda world, left: execute.launch(left, world.tools, ["compute001"]),
    ],
    ids=["start", "setup", "grow", "shrink", "pause", "launch"],
)
def test_what_a_killed_bake_has_left_is_good_for_nothing_but_to_be_stopped(world, baking, command):
    def die():
        raise KeyboardInterrupt

    world.setup.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        bake(baking, world.tools, SPECS)
    left = world.store.load("bake-slurm")
    with pytest.raises(ClusterConflict, match="'bake-slurm' is what a bake has left") as refusal:
        command(world, left)
    assert refusal.value.hint.splitlines() == [
        "Remove it: elasticluster stop bake-slurm",
        "Or make the images: elasticluster bake slurm",
    ]
    assert world.store.load("bake-slurm") == left
    assert not world.stop(left).failures
    assert nothing_is_left(world)
