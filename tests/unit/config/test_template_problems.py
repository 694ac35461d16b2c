"""Everything that can be wrong with a template, and the exact words for it."""

from types import SimpleNamespace

import pytest
import voluptuous

from elasticluster.config.invalid import InvalidConfigurationError
from elasticluster.exceptions import ConfigurationError, TemplateNotFound


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        # references
        ("login=me\n", "", "9: [cluster/slurm] login:", "is missing: name of a [login/…] section"),
        (
            "cloud=here",
            "cloud=her",
            "10: [cluster/slurm] cloud:",
            "there is no section [cloud/her]; did you mean 'here'?",
        ),
        (
            "setup=slurm",
            "setup=x",
            "12: [cluster/slurm] setup:",
            "there is no section [setup/x] (there are: slurm)",
        ),
        # cloud
        ("provider=toy\n", "", "1: [cloud/here] provider:", "is missing: which cloud provider to use"),
        (
            "provider=toy",
            "provider=gogle",
            "2: [cloud/here] provider:",
            (
                "expected one of azure, ec2_boto, free, google, libcloud, opennebula, openstack, toy, "
                "not 'gogle'; did you mean 'google'?"
            ),
        ),
        ("region=north\n", "", "1: [cloud/here] region:", "is missing: where the machines are"),
        (
            "region=north",
            "region=north\nfloating=perhaps",
            "4: [cloud/here] floating:",
            "expected yes or no, not 'perhaps'",
        ),
        (
            "region=north",
            "region=north\nretires=3",
            "4: [cloud/here] retires:",
            "unknown key; did you mean 'retries'?",
        ),
        (
            "region=north",
            "region=north\npassword=a%(b)sc",
            "4: [cloud/here] password:",
            "%(b)s names no key of this section or of [DEFAULT]",
        ),
        # login
        ("image_user=debian", "image_user=", "4: [login/me] image_user:", "is missing: user to log in as"),
        ("image_user=debian", "image_user=debian\nuser=x", "6: [login/me] user:", "unknown key"),
        # setup
        (
            "[setup/slurm]",
            "[setup/slurm]\nprovider=ansibel",
            "7: [setup/slurm] provider:",
            "expected one of ansible, free, not 'ansibel'; did you mean 'ansible'?",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\nplaybook=x",
            "7: [setup/slurm] playbook:",
            "unknown key; did you mean 'playbook_path'?",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\ncompute_group=x",
            "7: [setup/slurm] compute_group:",
            "unknown key; did you mean 'compute_groups'?",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\ncompuet_var_x=1",
            "7: [setup/slurm] compuet_var_x:",
            "'compuet' is no kind of node of [setup/slurm]; did you mean 'compute'?",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\nssh_pipelining=perhaps",
            "7: [setup/slurm] ssh_pipelining:",
            "expected yes or no, not 'perhaps'",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\nansible_forks=0",
            "7: [setup/slurm] ansible_forks:",
            "expected 1 or more, not '0'",
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\nbig_mem_groups=x",
            "7: [setup/slurm] big_mem_groups:",
            (
                "'big_mem' cannot be a kind of node: "
                "use letters, digits and hyphens; begin with a letter or digit and do not end in a digit"
            ),
        ),
        (
            "[setup/slurm]",
            "[setup/slurm]\nglobal_vars_proxy_url=x",
            "7: [setup/slurm] global_vars_proxy_url:",
            "unknown key; did you mean 'global_var_proxy_url'?",
        ),
        (
            "flavor=small",
            "flavor=small\nfrontend-var_proxy_url=x",
            "15: [cluster/slurm] frontend-var_proxy_url:",
            "unknown key; did you mean 'frontend_var_proxy_url'?",
        ),
        (
            "region=north",
            "region=north\npassword hunter22-secret=",
            "4: [cloud/here] password …:",
            "unknown key",
        ),
        # numbers of nodes
        (
            "compute_nodes=2",
            "compute_nodes=2\ncompute_node_min=1",
            "17: [cluster/slurm] compute_node_min:",
            "unknown key; did you mean 'compute_nodes_min'?",
        ),
        (
            "[cluster/slurm]",
            "global_groups=x\n[cluster/slurm]\nglobal_nodes=1",
            "11: [cluster/slurm] global_nodes:",
            "'global' cannot be a kind of node: global_var_NAME is a variable of all kinds",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=-1",
            "16: [cluster/slurm] compute_nodes:",
            "expected 0 or more nodes, not -1",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=two",
            "16: [cluster/slurm] compute_nodes:",
            "expected a whole number, not 'two'",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=",
            "16: [cluster/slurm] compute_nodes:",
            "expected a whole number, not ''",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=2\ncompute_nodes_min=3",
            "17: [cluster/slurm] compute_nodes_min:",
            "3 is more than compute_nodes=2 (config:16)",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=2\ncomputer_min_nodes=3",
            "17: [cluster/slurm] computer_min_nodes:",
            "there is no computer_nodes in this section; did you mean 'compute'?",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=2\ncompute=3",
            "17: [cluster/slurm] compute:",
            "means the same as 'compute_nodes' (config:16); remove one",
        ),
        (
            "compute_nodes=2",
            "compute-nodes=2",
            "16: [cluster/slurm] compute-nodes:",
            "unknown key; the number of nodes of kind 'compute' is written 'compute_nodes'",
        ),
        (
            "frontend_nodes=1\ncompute_nodes=2\n",
            "",
            "9: [cluster/slurm]",
            "no nodes: set KIND_nodes, as in compute_nodes=2",
        ),
        (
            "compute_nodes=2",
            "compuet_nodes=2",
            "16: [cluster/slurm] compuet_nodes:",
            (
                "[setup/slurm] (config:6) has no compuet_groups; it has groups for frontend, compute; "
                "did you mean 'compute'?"
            ),
        ),
        # other keys of the cluster
        (
            "flavor=small\n",
            "",
            "9: [cluster/slurm] flavor:",
            "is missing; nodes of kind frontend, compute need it",
        ),
        (
            "flavor=small",
            "flavor=small\nflavour=big",
            "15: [cluster/slurm] flavour:",
            "unknown key; did you mean 'flavor'?",
        ),
        (
            "flavor=small",
            "flavor=small\nboot_disk_size=big",
            "15: [cluster/slurm] boot_disk_size:",
            "expected a whole number, not 'big'",
        ),
        (
            "flavor=small",
            "flavor=small\nssh_to=fronted",
            "15: [cluster/slurm] ssh_to:",
            "there is no kind or node 'fronted' in this template; did you mean 'frontend'?",
        ),
        (
            "flavor=small",
            "flavor=small\nssh_to=compute003",
            "15: [cluster/slurm] ssh_to:",
            "there is no kind or node 'compute003' in this template; did you mean 'compute'?",
        ),
        (
            "flavor=small",
            "flavor=small\nstart_timeout=0",
            "15: [cluster/slurm] start_timeout:",
            "expected more than 0 seconds",
        ),
        (
            "flavor=small",
            "flavor=small\ngpu_var_x=1",
            "15: [cluster/slurm] gpu_var_x:",
            "'gpu' is no kind of node of [cluster/slurm]",
        ),
        (
            "flavor=small",
            "flavor=small\n...",
            "15: [cluster/slurm]",
            "expected [SECTION], KEY=VALUE or a comment",
        ),
        # sections of kinds
        (
            "compute_nodes=2",
            "compute_nodes=2\n[cluster/slurm/compte]",
            "17: [cluster/slurm/compte]",
            "there are no nodes of kind 'compte' in [cluster/slurm]; did you mean 'compute'?",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=2\n[cluster/slurm/compute]\nlogin=me",
            "18: [cluster/slurm/compute] login:",
            "holds for the whole cluster: move it to [cluster/slurm]",
        ),
        (
            "compute_nodes=2",
            "compute_nodes=2\n[cluster/slurm/compute]\nflavr=big",
            "18: [cluster/slurm/compute] flavr:",
            "unknown key; did you mean 'flavor'?",
        ),
        # outside of sections
        ("[cloud/here]", "x=1\n[cloud/here]", "1:", "key 'x' comes before the first [SECTION]"),
        (
            "compute_nodes=2",
            "compute_nodes=2\n[cluster/slurm/compute\nflavor=big",
            "17:",
            "expected a section such as [cluster/NAME]",
        ),
    ],
)
def test_one_mistake_gives_one_located_line(
    files: SimpleNamespace, old: str, new: str, where: str, message: str
) -> None:
    assert files.problems(files.good.replace(old, new, 1)) == [f"config:{where} {message}"]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(files: SimpleNamespace) -> None:
    text = files.good.replace("region=north\n", "").replace("compute_nodes=2", "compute_nodes=x\nfoo=1")
    assert files.problems(text) == [
        "config:1: [cloud/here] region: is missing: where the machines are",
        "config:15: [cluster/slurm] compute_nodes: expected a whole number, not 'x'",
        "config:16: [cluster/slurm] foo: unknown key",
    ]


def test_private_key_without_its_public_half_is_a_problem(files: SimpleNamespace) -> None:
    (files.folder / "key").touch()
    text = files.good.replace("image_user=debian", "image_user=debian\nuser_key_private=key")
    [problem] = files.problems(text)
    assert problem == (
        "config:4: [login/me] user_key_public: "
        "is missing, although user_key_private is set; it usually is the same file with .pub"
    )


@pytest.mark.parametrize(
    "command",
    [
        "no-such-program %%h",
        "~/no-such-program %h %p",
        "/no/such/program",
        "exec no-such-program",
        "A=1 B= no-such-program",
    ],
)
def test_proxy_command_that_does_not_exist_is_a_problem(files: SimpleNamespace, command: str) -> None:
    [problem] = files.problems(f"{files.good}\nssh_proxy_command={command}\n")
    assert "[cluster/slurm] ssh_proxy_command: there is no program '" in problem


@pytest.mark.parametrize(
    "command",
    [
        "ssh -W %h:%p gate",
        "$(cat /gate) %h",
        "'/my programs/gate' %h",
        "exec ssh -W %h:%p gate",
        "FOO=1 ssh -W %h:%p gate",
        "cd /; ssh -W %h:%p gate",
    ],
)
def test_proxy_command_that_may_exist_is_let_through(files: SimpleNamespace, command: str) -> None:
    template = files.read(f"{files.good}\nssh_proxy_command={command}\n").template("slurm")
    assert template.login.proxy_command == command


def test_proxy_command_none_is_no_proxy(files: SimpleNamespace) -> None:
    template = files.read(f"{files.good}\nssh_proxy_command=none\n").template("slurm")
    assert template.login.proxy_command == ""


def test_key_file_that_does_not_exist_is_named(files: SimpleNamespace) -> None:
    (files.folder / "key").touch()
    text = files.good.replace("[setup", "user_key_private=key\nuser_key_public=/no/key.pub\n[setup", 1)
    assert files.problems(text) == ["config:7: [login/me] user_key_public: there is no file '/no/key.pub'"]


def test_kind_that_is_no_host_name_is_a_problem(files: SimpleNamespace) -> None:
    text = files.good.replace("compute_", "gpu2_")
    [problem] = files.problems(text)
    assert problem == (
        "config:16: [cluster/slurm] gpu2_nodes: 'gpu2' cannot be a kind of node: "
        "use letters, digits and hyphens; begin with a letter or digit and do not end in a digit"
    )


def test_kinds_that_differ_only_in_case_are_a_problem(files: SimpleNamespace) -> None:
    text = files.good.replace("[cluster", "Compute_groups=x\n[cluster", 1) + "Compute_nodes=1\n"
    assert files.problems(text) == [
        "config:18: [cluster/slurm] Compute_nodes: 'Compute' and 'compute' give the same host names"
    ]


def test_key_that_one_kind_has_is_missing_only_for_the_others(files: SimpleNamespace) -> None:
    text = files.good.replace("flavor=small\n", "") + "[cluster/slurm/frontend]\nflavor=small\n"
    assert files.problems(text) == [
        "config:9: [cluster/slurm] flavor: is missing; nodes of kind compute need it"
    ]


def test_template_is_not_troubled_by_what_it_does_not_need(files: SimpleNamespace) -> None:
    unused = "[cloud/x]\n...\n[login/x]\nfoo=1\n[setup/x]\nfoo=1\n[clowd/y]\n"
    other = "[cluster/other]\ncloud=none\na_nodes=x\n"
    template = files.read(files.good + unused + other).template("slurm")
    assert list(template.kinds) == ["frontend", "compute"]


def test_unknown_template_is_told_with_the_nearest(files: SimpleNamespace) -> None:
    with pytest.raises(TemplateNotFound) as caught:
        files.read(files.good).template("slrum")
    assert (
        caught.value.message
        == f"There is no template 'slrum' in {files.folder}/config; did you mean 'slurm'?"
    )
    assert caught.value.hint == "Templates: slurm."


def test_template_whose_header_is_broken_is_told_with_the_line(files: SimpleNamespace) -> None:
    with pytest.raises(TemplateNotFound) as caught:
        files.read(files.good.replace("[cluster/slurm]", "[cluster/slurm")).template("slurm")
    path = files.folder / "config"
    assert caught.value.message == (
        f"There is no template 'slurm' in {path}\n{path}:9: expected a section such as [cluster/NAME]"
    )
    assert caught.value.hint == "No [cluster/NAME] section was found there."


def test_problems_are_voluptuous_errors_too(files: SimpleNamespace) -> None:
    with pytest.raises(voluptuous.MultipleInvalid) as caught:
        files.read(files.good.replace("compute_nodes=2", "compute_nodes=x")).template("slurm")
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.exit_code == 78
    assert caught.value.path == ["cluster/slurm", "compute_nodes"]
    assert caught.value.error_message == "expected a whole number, not 'x'"
    assert isinstance(caught.value, InvalidConfigurationError)
    assert [problem.at.line for problem in caught.value.problems] == [16]
