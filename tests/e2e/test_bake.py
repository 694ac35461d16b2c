"""Images for the nodes of a template, on real containers: made, used, out of date, removed."""

import json
import re
import signal
import subprocess
import tarfile

import pytest
from tests.e2e.own_playbook import nodes, wait_for
from tests.e2e.slurm_template import configure

pytestmark = pytest.mark.e2e

WITHOUT_ACCOUNTING = ("debian-13", "no")
WITH_ACCOUNTING = ("debian-12", "yes")
RELEASES = [WITHOUT_ACCOUNTING, pytest.param(WITH_ACCOUNTING, marks=pytest.mark.full)]
INSTALLS = "Install the packages (apt)"
NODE = "elasticluster.node"
PREPARED = "elasticluster.prepared.key"
SETUP = """
global_var_slurm_accounting={accounting}
global_var_slurm_mpi=no
storage_path={kept}
"""


@pytest.fixture(scope="module", params=RELEASES, ids=lambda variant: variant[0])
def baked(new_user, request):
    """Return a user who has baked a template and then started it."""
    release, accounting = request.param
    user = new_user(release)
    setup = SETUP.format(accounting=accounting, kept=user.home / "kept")
    configure(user, release, setup=setup, cluster="compute_nodes=1")
    user.baked = user.run("bake", "slurm", "-v")
    assert user.baked.returncode == 0, user.baked.stdout + user.baked.stderr
    user.known_after_bake = user.ok("list")
    user.kept_after_bake = [*(user.home / "kept").iterdir()]
    user.images = listed(user)
    user.started = user.run("start", "slurm", "-v")
    assert user.started.returncode == 0, user.started.stdout + user.started.stderr
    yield user
    for cluster in ("slurm", "other", "bake-slurm"):
        user.run("stop", "--yes", "--force", cluster)
    user.run("bake", "slurm", "--remove")


def listed(user):
    """Return the images of the template by kind of node."""
    found = json.loads(user.ok("bake", "slurm", "--list", "--json"))
    return {kind: image["id"] for image in found for kind in image["kinds"]}


def containers(engine, user, cluster="slurm"):
    """Return a cluster's containers by name of the node."""
    ids = [node["instance_id"] for node in nodes(user, cluster=cluster).values()]
    found = [engine.containers.get(one) for one in ids]
    return {container.labels[NODE]: container for container in found}


def ids_of(engine, user):
    """Return the content of the template's images by kind of node, as the engine knows it."""
    return {kind: engine.images.get(name).id for kind, name in listed(user).items()}


def image_of(container):
    return container.attrs["Config"]["Image"]


def files_of(engine, image):
    """Return the files in an image and their sizes, by path."""
    container = engine.containers.create(image)
    try:
        with (
            subprocess.Popen(["docker", "export", container.id], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as archive,
        ):
            return {member.name: member.size for member in archive if member.isfile()}
    finally:
        container.remove(v=True)


def test_bake_ends_with_a_line_for_each_image_and_leaves_no_machine(baked):
    lines = baked.baked.stdout.splitlines()[-2:]
    for line, kind in zip(lines, ("frontend", "compute"), strict=True):
        assert re.fullmatch(rf"{kind}: {re.escape(baked.images[kind])}, \d+ MB, \d+ s", line)
    assert INSTALLS in baked.baked.stderr
    assert baked.known_after_bake == "No clusters found.\n"
    assert baked.kept_after_bake == []


def test_nodes_are_made_of_the_images_and_nothing_is_installed_on_them(baked, engine):
    made = {name: image_of(container) for name, container in containers(engine, baked).items()}
    assert made == {"frontend001": baked.images["frontend"], "compute001": baked.images["compute"]}
    assert INSTALLS not in baked.started.stderr + baked.started.stdout
    assert baked.started.stdout.endswith("Your cluster `slurm` is ready!\n")


def test_jobs_run(baked):
    assert baked.ssh("srun hostname").strip() == "compute001"


def test_each_node_has_an_identity_of_its_own(baked):
    command = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub"
    said = [baked.ok("ssh", "slurm", "-n", node, "--", command) for node in ("frontend001", "compute001")]
    lines = [{line.split()[1] if " " in line else line for line in text.splitlines()} for text in said]
    assert [len(line) for line in lines] == [2, 2]
    assert lines[0].isdisjoint(lines[1])


def test_no_service_waits_to_be_configured(baked):
    for node in ("frontend001", "compute001"):
        assert baked.ok("ssh", "slurm", "-n", node, "--", "systemctl --failed --no-legend") == ""


@pytest.mark.parametrize("kind", ["frontend", "compute"])
def test_image_holds_nothing_secret_and_nothing_of_its_machine(baked, engine, kind):
    files = files_of(engine, baked.images[kind])
    assert "usr/sbin/munged" in files
    forbidden = re.compile(
        r"etc/ssh/ssh_host_.*|etc/(munge|elasticluster)/.*|(root|home/.*)/\.(ssh|ansible|bash_history).*"
        r"|var/lib/(elasticluster|munge|apt/lists)/.*|var/cache/apt/archives/.*\.deb"
        r"|var/lib/systemd/(random-seed|credential\.secret)|var/tmp/.*"
        r"|var/log/(?!wtmp\.db$).*"  # written as the machine halts: when it did so
    )
    assert [path for path in files if forbidden.fullmatch(path)] == []
    assert files["etc/machine-id"] == 0
    assert files.get("var/lib/dbus/machine-id", 0) == 0
    services = re.compile(r"etc/systemd/system/.*\.wants/(slurm|munge|mariadb|mysql).*")
    assert [path for path in files if services.fullmatch(path)] == []


def test_container_made_of_an_image_by_hand_belongs_to_no_cluster(baked, engine):
    container = engine.containers.create(baked.images["compute"])
    try:
        assert container.short_id not in baked.ok("gc", "--dry-run", "--json")
    finally:
        container.remove(v=True)


def test_new_nodes_are_made_of_the_images_too(baked, engine):
    baked.grown = baked.run("resize", "-v", "-a", "1:compute", "slurm")
    assert baked.grown.returncode == 0, baked.grown.stderr
    assert INSTALLS not in baked.grown.stderr + baked.grown.stdout
    assert image_of(containers(engine, baked)["compute002"]) == baked.images["compute"]
    assert sorted(baked.ssh("srun --nodes=2 hostname").split()) == ["compute001", "compute002"]


def test_second_bake_does_nothing(baked):
    again = baked.run("bake", "slurm")
    assert again.returncode == 0
    assert [line.rpartition(", ")[2] for line in again.stdout.splitlines()] == ["up to date"] * 2
    assert again.stderr == "Nothing was done: the images are up to date.\n"


@pytest.mark.parametrize(
    "edit",
    [
        ("global_var_slurm_mpi=no", "global_var_slurm_mpi=no\nglobal_var_common_packages=tree"),
        ("debian\n", "me\n"),
    ],
    ids=["another package", "another user"],
)
def test_nodes_that_no_image_fits_are_made_without_and_that_is_said(baked, engine, edit):
    config = baked.home / ".elasticluster/config"
    before = config.read_text()
    config.write_text(before.replace(*edit))
    try:
        result = baked.run("start", "slurm", "--name", "other", "--nodes", "0:compute", "--no-setup")
        assert result.returncode == 0, result.stderr
        assert (
            "The images of template 'slurm' are out of date for these nodes, which are set up from the "
            "beginning: frontend. New images: elasticluster bake slurm\n"
        ) in result.stderr
        made = containers(engine, baked, "other")
        assert image_of(made["frontend001"]).startswith("elasticluster/node:")
        assert baked.ssh("id -u", "other").strip() == "1000"
        out_of_date = [line.split(": ")[0] for line in baked.ok("bake", "slurm", "--list").splitlines()]
        assert out_of_date == ["out of date (compute)", "out of date (frontend)"]
    finally:
        config.write_text(before)
        baked.ok("stop", "--yes", "other")


def test_value_that_its_variable_cannot_have_is_a_problem_of_the_configuration(baked):
    config = baked.home / ".elasticluster/config"
    before = config.read_text()
    config.write_text(before.replace("slurm_mpi=no", "slurm_mpi=perhaps"))
    try:
        result = baked.run("bake", "slurm", "--list")
    finally:
        config.write_text(before)
    assert result.returncode == 78
    assert "expected yes or no, not 'perhaps'" in result.stderr


def test_what_a_killed_bake_has_left_is_on_record_and_removed_by_the_next(baked, residue):
    process = baked.begin("bake", "slurm", "--force", stderr=subprocess.PIPE)
    wait_for(lambda: process.stderr.readline().startswith("Connecting"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (uuid,) = {one["uuid"] for one in json.loads(baked.ok("list", "--json")) if one["name"] == "bake-slurm"}
    assert len(residue(uuid)) == 4
    refused = baked.run("start", "slurm", "--name", "bake-slurm")
    assert refused.returncode == 73
    assert "elasticluster stop bake-slurm" in refused.stderr
    assert baked.run("bake", "slurm", "--remove").returncode == 69  # nodes are made of the images
    again = baked.run("bake", "slurm")
    assert again.returncode == 0
    assert "Removing what a bake before this one has left: cluster 'bake-slurm'.\n" in again.stderr
    assert residue(uuid) == []
    assert "bake-slurm" not in baked.ok("list")
    assert listed(baked) == baked.images


def test_name_that_a_bake_needs_is_not_taken_from_a_cluster(baked):
    baked.ok("start", "slurm", "--name", "bake-slurm", "--nodes", "0:compute", "--no-setup")
    result = baked.run("bake", "slurm", "--force")
    assert result.returncode == 73
    assert "There is a cluster 'bake-slurm', and a bake needs that name while it lasts." in result.stderr
    assert nodes(baked, cluster="bake-slurm")["frontend001"]["state"] == "reachable"
    baked.ok("stop", "--yes", "bake-slurm")


def test_images_are_removed_when_nothing_is_made_of_them(baked):
    in_use = baked.run("bake", "slurm", "--remove")
    assert in_use.returncode == 69
    assert in_use.stdout == ""
    assert in_use.stderr.count("WARNING: Cannot remove the image 'elasticluster/prepared:slurm-") == 2
    assert listed(baked) == baked.images
    baked.ok("stop", "--yes", "slurm")


def test_new_images_take_the_names_of_old_ones_that_are_then_removed(baked, engine):
    before = ids_of(engine, baked)
    forced = baked.run("bake", "slurm", "--force")
    assert (forced.returncode, forced.stderr.count("is kept")) == (0, 0), forced.stderr
    assert listed(baked) == baked.images
    after = ids_of(engine, baked)
    assert set(before.values()).isdisjoint(after.values())
    left = {image.id for image in engine.images.list(filters={"label": PREPARED})}
    assert left.isdisjoint(before.values())


def test_images_of_a_template_that_is_not_configured_any_more_can_be_listed_and_removed(baked):
    config = baked.home / ".elasticluster/config"
    before = config.read_text()
    config.write_text(before.replace("[cluster/slurm]", "[cluster/another]"))
    try:
        kept = [line.split(": ")[0] for line in baked.ok("bake", "slurm", "--list").splitlines()]
        assert kept == ["out of date (compute)", "out of date (frontend)"]
        removed = baked.ok("bake", "slurm", "--remove").splitlines()
        assert sorted(removed) == sorted(f"Image {image} was removed." for image in baked.images.values())
        assert baked.run("bake", "slurm", "--list").returncode == 66
    finally:
        config.write_text(before)
    assert baked.ok("bake", "slurm", "--list") == "There are no images for template `slurm`.\n"
