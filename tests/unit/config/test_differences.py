"""Where a stored cluster differs from its template."""

from dataclasses import replace

import pytest

from elasticluster.config.differences import Difference, Fate, differences, least_numbers, settled
from elasticluster.config.masking import MASK
from elasticluster.config.template import KindTemplate, Template
from elasticluster.model import ClusterRecord, ComponentRef, Login, NodeRecord, NodeSpec, NodeState

COMPUTE = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-2ram")
FRONTEND = replace(COMPUTE, kind="frontend")
CLOUD = ComponentRef(type="docker", section="local", args={"flavors": "small=1cpu-1ram"})
SETUP = ComponentRef(
    type="ansible",
    section="slurm",
    args={
        "groups": {"frontend": ["slurm_master"], "compute": ["slurm_worker"]},
        "environment_vars": {"frontend": {"size": "1"}, "compute": {}},
        "sudo": True,
        "sudo_user": "root",
    },
)
TEMPLATE = Template(
    name="slurm",
    cloud=CLOUD,
    cloud_available=True,
    setup=SETUP,
    login=Login(),
    kinds={"frontend": KindTemplate(count=1, spec=FRONTEND), "compute": KindTemplate(count=2, spec=COMPUTE)},
)


def cluster(*, instances=True, **fields):
    nodes = [
        NodeRecord(name=name, spec=spec, instance_id=f"i-{name}" if instances else None)
        for name, spec in [("frontend001", FRONTEND), ("compute001", COMPUTE), ("compute002", COMPUTE)]
    ]
    given = {"cloud": CLOUD, "setup": SETUP, "kinds": ("frontend", "compute"), "nodes": tuple(nodes)}
    return ClusterRecord(uuid="u", name="slurm", template="slurm", **{**given, **fields})


def with_kind(kind="compute", **fields):
    return replace(TEMPLATE, kinds={**TEMPLATE.kinds, kind: KindTemplate(**fields)})


def with_spec(**fields):
    return with_kind(count=2, spec=replace(COMPUTE, **fields))


def with_setup(**args):
    return replace(TEMPLATE, setup=replace(SETUP, args={**SETUP.args, **args}))


def applied(subject, stored, wanted):
    return Difference(subject=subject, stored=stored, wanted=wanted, fate=Fate.APPLIED)


def kept(subject, stored, wanted, *remedy):
    return Difference(subject=subject, stored=stored, wanted=wanted, fate=Fate.KEPT, remedy=remedy)


def made_of(subject, stored, wanted, fate=Fate.KEPT):
    return Difference(subject=subject, stored=stored, wanted=wanted, fate=fate, made_of="compute")


def set_up(subject, stored, wanted):
    return Difference(subject=subject, stored=stored, wanted=wanted, fate=Fate.SET_UP)


def test_cluster_that_is_as_its_template_says_has_no_differences():
    assert differences(cluster(), TEMPLATE) == ()
    assert differences(cluster(instances=False), TEMPLATE) == ()


def test_numbers_that_only_look_different_are_none():
    setup = replace(
        SETUP, args={**SETUP.args, "groups": {"frontend": ("slurm_master",), "compute": ["slurm_worker"]}}
    )
    assert differences(cluster(start_timeout=600, setup=setup), replace(TEMPLATE, start_timeout=600.0)) == ()


@pytest.mark.parametrize(
    ("template", "difference"),
    [
        (replace(TEMPLATE, ssh_to="compute"), applied("ssh_to", "nothing", "compute")),
        (replace(TEMPLATE, start_timeout=900.0), applied("start_timeout", "600", "900")),
        (replace(TEMPLATE, start_failure="stop"), applied("start_failure", "keep", "stop")),
        (
            replace(TEMPLATE, login=Login(proxy_command="ssh -W %h:%p gate")),
            applied("ssh_proxy_command", "nothing", "ssh -W %h:%p gate"),
        ),
        (replace(TEMPLATE, login=Login(probe_timeout=9)), applied("ssh_probe_timeout", "5", "9")),
        (
            replace(TEMPLATE, cloud=replace(CLOUD, args={"flavors": "small=2cpu-1ram"})),
            applied("flavors", "small=1cpu-1ram", "small=2cpu-1ram"),
        ),
    ],
    ids=lambda value: getattr(value, "subject", ""),
)
def test_what_is_safe_to_change_is_taken_over(template, difference):
    assert differences(cluster(), template) == (difference,)


def test_least_number_of_nodes_is_taken_over_as_far_as_there_are_nodes():
    wanted = with_kind(count=2, min_count=1, spec=COMPUTE)
    assert differences(cluster(), wanted) == (applied("compute_nodes_min", "nothing", "1"),)
    assert least_numbers(cluster(), with_kind(count=9, min_count=5, spec=COMPUTE)) == {"compute": 2}
    assert differences(cluster(min_nodes={"compute": 1}), wanted) == ()


@pytest.mark.parametrize(
    ("args", "difference"),
    [
        (
            {"groups": {"frontend": ["slurm_master"], "compute": ["slurm_worker", "mine"]}},
            set_up("compute_groups", "slurm_worker", "slurm_worker, mine"),
        ),
        (
            {"environment_vars": {"frontend": {"size": "2"}, "compute": {}}},
            set_up("frontend_var_size", "1", "2"),
        ),
        (
            {"environment_vars": {"frontend": {"size": "1", "db_password": "hunter2"}, "compute": {}}},
            set_up("frontend_var_db_password", "nothing", MASK),
        ),
        ({"sudo": False}, set_up("image_sudo", "yes", "no")),
        ({"after": "/home/me/after.yml"}, set_up("after", "nothing", "/home/me/after.yml")),
    ],
    ids=lambda value: getattr(value, "subject", ""),
)
def test_what_concerns_the_setup_is_taken_over_when_the_cluster_is_set_up(args, difference):
    assert differences(cluster(), with_setup(**args)) == (difference,)


def test_keys_to_log_in_with_stay_as_they_are():
    wanted = replace(TEMPLATE, login=Login(user_key_public="/k.pub", user_key_private="/k"))
    assert differences(cluster(), wanted) == (
        kept("user_key_public", "nothing", "/k.pub"),
        kept("user_key_private", "nothing", "/k"),
    )


@pytest.mark.parametrize(("count", "option", "number"), [(4, "--add", 2), (0, "--remove", 2)])
def test_number_of_nodes_stays_and_the_command_that_changes_it_is_named(count, option, number):
    wanted = with_kind(count=count, spec=COMPUTE)
    expected = kept("compute nodes", "2", str(count), "resize", option, f"{number}:compute")
    assert differences(cluster(), wanted) == (expected,)


def test_nodes_that_are_being_removed_do_not_count():
    nodes = cluster().nodes
    leaving = cluster(nodes=(*nodes[:2], replace(nodes[2], state=NodeState.LEAVING)))
    assert differences(leaving, with_kind(count=1, spec=COMPUTE)) == ()


def test_kind_that_the_template_has_newly_got():
    wanted = with_kind("login", count=1, spec=replace(COMPUTE, kind="login"))
    assert differences(cluster(), wanted) == (kept("login nodes", "0", "1", "resize", "--add", "1:login"),)


def test_kind_that_the_template_has_no_more():
    wanted = replace(TEMPLATE, kinds={"frontend": TEMPLATE.kinds["frontend"]})
    assert differences(cluster(), wanted) == (
        kept("compute nodes", "2", "0", "resize", "--remove", "2:compute"),
    )


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"flavor": "2cpu-4ram"}, ("flavor of compute nodes", "1cpu-2ram", "2cpu-4ram")),
        ({"image_id": "debian-12"}, ("image_id of compute nodes", "debian-13", "debian-12")),
        ({"security_group": "mine"}, ("security_group of compute nodes", "nothing", "mine")),
        ({"image_user": "me"}, ("image_user of compute nodes", "debian", "me")),
        ({"extra": {"boot_disk_size": 20}}, ("boot_disk_size of compute nodes", "nothing", "20")),
        (
            {"image_userdata": "#!/bin/sh\necho topsecret"},
            ("image_userdata of compute nodes", "nothing", "(script of 2 lines)"),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_nodes_are_made_of_stays_where_there_are_machines(spec, texts):
    assert differences(cluster(), with_spec(**spec)) == (made_of(*texts),)
    assert differences(cluster(instances=False), with_spec(**spec)) == (made_of(*texts, Fate.APPLIED),)


def test_what_the_cloud_has_decides_what_becomes_of_nodes_and_of_nothing_else():
    wanted = replace(with_spec(flavor="2cpu-4ram"), ssh_to="compute")
    found = differences(cluster(), wanted)
    assert [one.fate for one in settled(found, {"compute"})] == [Fate.APPLIED, Fate.KEPT]
    assert [one.fate for one in settled(found, {"frontend"})] == [Fate.APPLIED, Fate.APPLIED]
    lost = differences(cluster(instances=False), with_spec(flavor="2cpu-4ram"))
    assert [one.fate for one in settled(lost, {"compute"})] == [Fate.KEPT]


def test_nodes_of_one_kind_that_are_not_the_same_are_named():
    nodes = cluster().nodes
    big = replace(nodes[2], spec=replace(COMPUTE, flavor="4cpu-8ram"))
    mixed = cluster(nodes=(*nodes[:2], big))
    assert differences(mixed, TEMPLATE) == (made_of("flavor of compute002", "4cpu-8ram", "1cpu-2ram"),)
    both = made_of("flavor of compute nodes", "1cpu-2ram or 4cpu-8ram", "2cpu-2ram")
    assert differences(mixed, with_spec(flavor="2cpu-2ram")) == (both,)


def test_nodes_of_which_nobody_knows_what_they_are_made_of_are_not_compared():
    nodes = tuple(replace(node, spec=replace(node.spec, image_id="", flavor="")) for node in cluster().nodes)
    assert differences(cluster(nodes=nodes), TEMPLATE) == ()


def test_secrets_are_not_shown():
    def with_secrets(text):
        return replace(CLOUD, args={"password": text, "ticket": text})

    record = cluster(cloud=with_secrets("old"))
    wanted = replace(TEMPLATE, cloud=with_secrets("new"))
    expected = (applied("password", MASK, MASK), applied("ticket", MASK, MASK))
    assert differences(record, wanted, secrets={"ticket"}) == expected


@pytest.mark.parametrize("side", ["stored", "wanted"])
def test_secret_that_was_put_into_another_value_is_not_shown(side):
    variables = {"frontend": {"db_password": "hunter22", "greeting": "welcome hunter22"}, "compute": {}}
    with_secret = replace(SETUP, args={**SETUP.args, "environment_vars": variables})
    setups = {"stored": SETUP, "wanted": SETUP, side: with_secret}
    found = differences(cluster(setup=setups["stored"]), replace(TEMPLATE, setup=setups["wanted"]))
    greeting = next(one for one in found if one.subject == "frontend_var_greeting")
    assert getattr(greeting, side) == f"welcome {MASK}"
    assert "hunter22" not in str(found)
