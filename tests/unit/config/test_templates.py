from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticluster.config.templates import Configuration, Storage, Template
from elasticluster.exceptions import UsageError
from elasticluster.model import ComponentRef, Login, NodeSpec


def counts(template: Template) -> dict[str, int]:
    return {kind: nodes.count for kind, nodes in template.kinds.items()}


def test_template_carries_everything_that_its_sections_say(files: SimpleNamespace) -> None:
    template = files.read(files.good).template("slurm")
    spec = NodeSpec(
        kind="compute",
        image_id="debian-13",
        image_user="debian",
        flavor="small",
        extra={"boot_disk_size": 10},
    )
    assert template.cloud == ComponentRef(
        type="toy", args={"region": "north", "floating": False}, section="here"
    )
    assert template.cloud_available
    assert template.login == Login()
    assert template.kinds["compute"].spec == spec
    assert (template.name, template.ssh_to, template.start_timeout, template.extra) == ("slurm", "", 600, {})
    assert template.start_failure == "keep"
    assert template.setup == ComponentRef(
        type="ansible",
        args={
            "groups": {"frontend": ["slurm_master"], "compute": ["slurm_worker"]},
            "environment_vars": {"frontend": {}, "compute": {}},
            "sudo": True,
            "sudo_user": "root",
        },
        section="slurm",
    )


def test_template_keeps_the_order_of_its_kinds(files: SimpleNamespace) -> None:
    text = files.good.replace("frontend_nodes=1\ncompute_nodes=2", "compute_nodes=2\nfrontend_nodes=1")
    assert list(files.read(text).template("slurm").kinds) == ["compute", "frontend"]


def test_template_turns_cluster_and_login_keys_into_values(files: SimpleNamespace) -> None:
    cluster = (
        "ssh_to=compute002\nstart_timeout=90\nssh_probe_timeout=2.5\nssh_proxy_command=ssh -W %h:%%p x\n"
        "thread_pool_max_size=3\ncompute_nodes_min=1\nstart_failure=stop\n"
    )
    text = (files.good + cluster).replace("[setup", "image_sudo=no\nimage_user_sudo=admin\n[setup", 1)
    template = files.read(text).template("slurm")
    assert template.login == Login(
        image_sudo=False, image_user_sudo="admin", proxy_command="ssh -W %h:%p x", probe_timeout=2.5
    )
    assert (template.ssh_to, template.start_timeout) == ("compute002", 90)
    assert template.start_failure == "stop"
    assert template.extra == {"thread_pool_max_size": 3}
    assert [nodes.min_count for nodes in template.kinds.values()] == [None, 1]
    assert (template.setup.args["sudo"], template.setup.args["sudo_user"]) == (False, "admin")


def test_template_takes_key_files_with_home_expanded(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(files.folder))
    for name in ("key", "key.pub"):
        (files.folder / name).touch()
    keys = "image_user=debian\nuser_key_name=mine\nuser_key_private=~/key\nuser_key_public=~/key.pub"
    login = files.read(files.good.replace("image_user=debian", keys)).template("slurm").login
    assert login.user_key_name == "mine"
    assert login.user_key_private == str(files.folder / "key")
    assert login.user_key_public == str(files.folder / "key.pub")


def test_kind_section_overrides_the_cluster_section(files: SimpleNamespace) -> None:
    more = (
        "security_group=lab\nnetwork_ids=a, b\n[cluster/slurm/frontend]\nflavor=big\nimage_user=root\n"
        "boot_disk_size=50\nimage=debian-12\nimage_userdata=date +%s > /started\n"
    )
    kinds = files.read(files.good + more).template("slurm").kinds
    assert kinds["compute"].spec == NodeSpec(
        kind="compute",
        image_id="debian-13",
        image_user="debian",
        flavor="small",
        security_group="lab",
        extra={"boot_disk_size": 10, "network_ids": ["a", "b"]},
    )
    assert kinds["frontend"].spec == NodeSpec(
        kind="frontend",
        image_id="debian-12",
        image_user="root",
        flavor="big",
        security_group="lab",
        image_userdata="date +%s > /started",
        extra={"boot_disk_size": 50, "network_ids": ["a", "b"]},
    )


def test_userdata_of_the_login_counts_unless_the_cluster_says_otherwise(files: SimpleNamespace) -> None:
    text = files.good.replace("image_user=debian", "image_user=debian\nimage_userdata=touch /a")
    userdata = [
        files.read(t).template("slurm").kinds["compute"].spec.image_userdata
        for t in (text, text + "image_userdata=\n")
    ]
    assert userdata == ["touch /a", ""]


def test_variables_of_a_kind_win_over_global_ones_and_the_clusters_over_the_setups(
    files: SimpleNamespace,
) -> None:
    setup = "[setup/slurm]\nglobal_var_a=1\nglobal_var_b=1\ncompute_var_b=2\ncompute_var_c_var_d=2\n"
    cluster = "global_var_a=3\nglobal_var_b=3\ncompute_var_e=4\n"
    text = files.good.replace("[setup/slurm]\n", setup) + cluster
    assert files.read(text).template("slurm").setup.args["environment_vars"] == {
        "frontend": {"a": "3", "b": "3"},
        "compute": {"a": "3", "b": "2", "c_var_d": "2", "e": "4"},
    }


def test_setup_keys_are_handed_on(files: SimpleNamespace) -> None:
    (files.folder / "site.yml").touch()
    more = "[setup/slurm]\nplaybook_path=site.yml\nansible_forks=20\nssh_pipelining=no\ncareful=no\n"
    args = files.read(files.good.replace("[setup/slurm]\n", more)).template("slurm").setup.args
    assert {key: args[key] for key in list(args)[4:]} == {
        "playbook_path": str(files.folder / "site.yml"),
        "careful": False,
        "ansible_forks": "20",
        "ansible_ssh_pipelining": "no",
    }


def test_setup_provider_without_a_table_gets_its_keys_as_text(files: SimpleNamespace) -> None:
    more = "[setup/slurm]\nprovider=free\nspeed=9\nglobal_var_x=1\n"
    setup = files.read(files.good.replace("[setup/slurm]\n", more)).template("slurm").setup
    assert (setup.type, setup.args["speed"]) == ("free", "9")
    assert setup.args.keys() == {"groups", "environment_vars", "sudo", "sudo_user", "speed"}


def test_old_names_and_bare_counts_mean_the_same(files: SimpleNamespace) -> None:
    text = files.good.replace("setup=slurm", "setup_provider=slurm\nfrontend_class=frontend")
    text = (
        text.replace("image_id", "image")
        .replace("frontend_nodes", "frontend")
        .replace("compute_nodes", "compute")
    )
    template = files.read(text + "compute_min_nodes=1\n").template("slurm")
    assert counts(template) == {"frontend": 1, "compute": 2}
    assert (template.kinds["compute"].min_count, template.ssh_to) == (1, "frontend")


def test_no_nodes_of_a_kind_and_no_groups_for_a_kind_are_fine(files: SimpleNamespace) -> None:
    text = files.good.replace("compute_nodes=2", "compute_nodes=0").replace("slurm_worker", "")
    template = files.read(text).template("slurm")
    assert counts(template) == {"frontend": 1, "compute": 0}
    assert template.setup.args["groups"]["compute"] == []


def test_default_section_counts_for_all_without_being_unknown(files: SimpleNamespace) -> None:
    text = files.good.replace("flavor=small\n", "").replace("image_user=debian\n", "")
    text = f"[DEFAULT]\nflavor=small\nimage_user=me\n{text}"
    spec = files.read(text).template("slurm").kinds["compute"].spec
    assert (spec.flavor, spec.image_user) == ("small", "me")


def test_folder_of_files_overrides_the_main_file(files: SimpleNamespace) -> None:
    configuration = files.read(
        files.good, b="[cluster/slurm]\ncompute_nodes=5\n", a="[cluster/slurm]\ncompute_nodes=4\nflavor=big\n"
    )
    template = configuration.template("slurm")
    assert counts(template) == {"frontend": 1, "compute": 5}
    assert template.kinds["compute"].spec.flavor == "big"


def test_provider_without_tables_gets_its_keys_as_text(files: SimpleNamespace) -> None:
    text = files.good.replace("provider=toy", "provider=free") + "disk=9\n[cluster/slurm/compute]\nnet=1\n"
    template = files.read(text).template("slurm")
    assert template.cloud_available
    assert template.cloud.args == {"region": "north"}
    assert [dict(nodes.spec.extra) for nodes in template.kinds.values()] == [
        {"disk": "9"},
        {"disk": "9", "net": "1"},
    ]


def test_documented_provider_that_is_not_there_loads_with_a_warning(files: SimpleNamespace) -> None:
    text = files.good.replace("provider=toy\nregion=north", "provider=azure\nlocation=westus")
    template = files.read(text + "boot_disk_size=20\n").template("slurm")
    assert (template.cloud.type, template.cloud_available) == ("azure", False)
    assert template.cloud.args == {"location": "westus"}
    assert template.kinds["compute"].spec.extra == {
        "boot_disk_size": 20,
        "storage_account_type": "Standard_LRS",
    }
    assert [str(warning).replace(f"{files.folder}/", "") for warning in template.warnings] == [
        "config:2: [cloud/here] provider: this version cannot start clusters on 'azure' yet"
    ]


def test_older_name_of_a_provider_is_understood(files: SimpleNamespace) -> None:
    text = files.good.replace("provider=toy\nregion=north", "provider=boto\nec2_region=eu-west-1")
    template = files.read(text).template("slurm")
    assert (template.cloud.type, template.cloud_available, template.warnings) == ("ec2_boto", True, ())
    assert template.cloud.args["ec2_region"] == "eu-west-1"


def test_other_counts_take_the_place_of_the_templates(files: SimpleNamespace) -> None:
    template = files.read(files.good + "compute_nodes_min=2\n").template("slurm").with_counts({"compute": 1})
    assert counts(template) == {"frontend": 1, "compute": 1}
    assert template.kinds["compute"].min_count == 1
    with pytest.raises(
        UsageError, match=r"^Template 'slurm' has no nodes of kind 'gpu'\nIts kinds of nodes are: "
    ):
        template.with_counts({"gpu": 1})


@pytest.mark.parametrize("kind", ["login", "cloud", "setup", "flavor"])
def test_kind_may_have_the_name_of_a_key(files: SimpleNamespace, kind: str) -> None:
    text = files.good.replace("[setup/slurm]", f"[setup/slurm]\n{kind}_groups=slurm_submit")
    template = files.read(f"{text}{kind}_nodes=1\nssh_to={kind}\n").template("slurm")
    assert counts(template) == {"frontend": 1, "compute": 2, kind: 1}
    assert (template.ssh_to, template.cloud.section) == (kind, "here")


def test_node_of_a_kind_in_capitals_is_found_by_its_host_name(files: SimpleNamespace) -> None:
    text = files.good.replace("compute_", "Compute_") + "ssh_to=compute002\n"
    assert files.read(text).template("slurm").ssh_to == "compute002"


def test_keys_that_once_did_something_are_let_pass_with_a_warning(files: SimpleNamespace) -> None:
    text = files.good.replace("[setup/slurm]", "[setup/slurm]\nsafe_but_slower=no") + "node_name=n\n"
    lines = [str(warning).replace(f"{files.folder}/", "") for warning in files.read(text).warnings("slurm")]
    assert lines == [
        (
            "config:7: [setup/slurm] safe_but_slower: "
            "has no effect: nothing is made quicker at the price of safety"
        ),
        "config:18: [cluster/slurm] node_name: has no effect: nodes are named by their kind and a number",
    ]


# The configuration as a whole


def test_summaries_need_no_provider_and_survive_broken_templates(files: SimpleNamespace) -> None:
    other = "[cluster/broken]\ncloud=none\nfrontend_nodes=x\n...\n[cluster/slurm/compute]\n"
    summaries = Configuration.read(Path(files.read(files.good + other).paths[0])).summaries()
    assert [(s.name, s.cloud, dict(s.counts)) for s in summaries] == [
        ("broken", "none", {"frontend": 0}),
        ("slurm", "here", {"frontend": 1, "compute": 2}),
    ]
    assert [[problem.at.line for problem in s.problems] for s in summaries] == [[19, 20], []]


def test_problems_of_the_whole_are_found_wherever_they_are(files: SimpleNamespace) -> None:
    text = (
        "[login/unused]\nfoo=1\n[clowd/x]\n[cloud]\n[cluster/a/b/c]\n[cluster/gone/compute]\n[storage]\nstorage_type=xml\n"
        "[DEFAULT]\n...\n"
    )
    lines = [
        str(problem).replace(f"{files.folder}/", "") for problem in files.read(text + files.good).problems()
    ]
    expected = (
        "no such section; expected "
        "[cloud/NAME], [login/NAME], [setup/NAME], [cluster/NAME] or [cluster/NAME/KIND]"
    )
    assert lines == [
        "config:1: [login/unused] image_user: is missing: user to log in as",
        "config:2: [login/unused] foo: unknown key",
        f"config:3: [clowd/x] {expected}; did you mean 'cloud'?",
        f"config:4: [cloud] {expected}",
        f"config:5: [cluster/a/b/c] {expected}",
        "config:6: [cluster/gone/compute] there is no section [cluster/gone]",
        "config:8: [storage] storage_type: expected one of json, yaml, pickle, not 'xml'",
        "config:10: [DEFAULT] expected [SECTION], KEY=VALUE or a comment",
    ]


def test_a_good_configuration_has_no_problems(files: SimpleNamespace) -> None:
    assert files.read(files.good).problems() == []


def test_setup_section_that_no_template_uses_is_checked_too(files: SimpleNamespace) -> None:
    text = files.good + "[setup/other]\nfrontend_groups=a\nfronted_var_x=1\nplaybok_path=x\n"
    assert [str(problem).replace(f"{files.folder}/", "") for problem in files.read(text).problems()] == [
        (
            "config:19: [setup/other] fronted_var_x: "
            "'fronted' is no kind of node of [setup/other]; did you mean 'frontend'?"
        ),
        "config:20: [setup/other] playbok_path: unknown key; did you mean 'playbook_path'?",
    ]


def test_storage_section_is_read(files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert files.read(files.good).storage() == Storage()
    text = "[storage]\nstorage_path=~/clusters\nstorage_type=yaml\n"
    assert files.read(text).storage() == Storage("/home/me/clusters", "yaml")
    assert files.read("[storage]\nstorage_path=x\n").storage().path == str(files.folder / "x")
    for url, full in (
        ("sqlite:///x.db", f"sqlite:///{files.folder}/x.db"),
        ("sqlite:////x.db", "sqlite:////x.db"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
    ):
        assert files.read(f"[storage]\nstorage_path={url}\n").storage().path == full
    for url, told in (("mysql://u:s3cret@h/x", "mysql://"), ("sqlite:/x.db", "sqlite:")):
        expected = "expected a folder, sqlite:///PATH or postgresql://HOST/NAME"
        assert files.lines(files.read(f"[storage]\nstorage_path={url}\n").storage) == [
            f"config:2: [storage] storage_path: {expected}, not '{told}'…"
        ]
    assert files.lines(files.read("[storage]\nstorage_paht=x\n").storage) == [
        "config:2: [storage] storage_paht: unknown key; did you mean 'storage_path'?"
    ]


def test_section_gives_texts_under_present_names(files: SimpleNamespace) -> None:
    configuration = files.read("[cloud/a]\ntenant_name=x-%(user)s\nuser=me\n")
    assert configuration.section("cloud/a") == {"project_name": "x-me", "user": "me"}
    assert configuration.section("cloud/b") == {}
