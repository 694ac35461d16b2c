"""``[DEFAULT]``: what it says counts where a section says nothing, and for nobody else."""

from types import SimpleNamespace

import pytest


def warnings(files: SimpleNamespace, text: str, name: str | None = None) -> list[str]:
    found = files.read(text).warnings(name)
    return [str(warning).replace(f"{files.folder}/", "") for warning in found]


def test_defaults_are_not_handed_to_providers_without_a_table(files: SimpleNamespace) -> None:
    text = files.good.replace("provider=toy\nregion", "provider=free\nplace")
    text = text.replace("[setup/slurm]", "[setup/slurm]\nprovider=free\nscript=x")
    template = files.read(f"[DEFAULT]\nforeign=x\nstart_timeout=9\n{text}").template("slurm")
    assert template.cloud.args == {"place": "north"}
    assert {"script": "x"}.items() <= template.setup.args.items()
    assert {"foreign", "start_timeout"}.isdisjoint(template.setup.args)
    assert template.start_timeout == 9


def test_variable_of_the_setup_wins_over_a_default_and_the_clusters_over_both(files: SimpleNamespace) -> None:
    text = "[DEFAULT]\nglobal_var_a=0\nglobal_var_b=0\nglobal_var_c=0\n" + files.good
    text = text.replace("[setup/slurm]", "[setup/slurm]\nglobal_var_b=1\nglobal_var_c=1")
    configuration = files.read(text + "global_var_c=2\n")
    variables = configuration.template("slurm").setup.args["environment_vars"]
    assert variables == {kind: {"a": "0", "b": "1", "c": "2"} for kind in ("frontend", "compute")}
    shown = {one.key: one.value for part in configuration.explain("slurm") for one in part.settings}
    assert [shown[f"compute_var_{name}"] for name in "abc"] == ["0", "1", "2"]


@pytest.mark.parametrize("default", ["image=old", "image_id=old", "image_id=old\nimage=old"])
@pytest.mark.parametrize("own", ["image=new", "image_id=new"])
def test_default_loses_in_whatever_words_it_is_written(
    files: SimpleNamespace, default: str, own: str
) -> None:
    text = files.good.replace("image_id=debian-13", own)
    template = files.read(f"[DEFAULT]\n{default}\n{text}").template("slurm")
    assert template.kinds["compute"].spec.image_id == "new"


def test_login_wins_over_a_default_user_and_script(files: SimpleNamespace) -> None:
    text = files.good.replace("image_user=debian", "image_user=ubuntu\nimage_userdata=echo own")
    configuration = files.read(f"[DEFAULT]\nimage_user=debian\nimage_userdata=echo default\n{text}")
    spec = configuration.template("slurm").kinds["compute"].spec
    assert (spec.image_user, spec.image_userdata) == ("ubuntu", "echo own")
    shown = [
        one.value
        for part in configuration.explain("slurm")
        for one in part.settings
        if one.key == "image_user"
    ]
    assert set(shown) == {"ubuntu"}


def test_default_number_of_nodes_loses_in_whatever_words_it_is_written(files: SimpleNamespace) -> None:
    template = files.read(f"[DEFAULT]\ncompute_nodes=5\ncompute=5\n{files.good}").template("slurm")
    assert template.kinds["compute"].count == 2


def test_default_that_no_section_can_use_is_a_warning(files: SimpleNamespace) -> None:
    text = """\
[DEFAULT]
flavuor=x
zzz=x
base=/opt
start_timeout=5
compute=1
compute_nodes_min=1
global_var_slurm_mpi=no
tenant_name=x
gce_project_id=x
ansible_pb_dir=/p
[cloud/other]
provider=toy
region=%(base)s
"""
    assert warnings(files, text + files.good) == [
        (
            "config:2: [DEFAULT] flavuor: no section has such a key, and no %(flavuor)s stands for it; "
            "did you mean 'flavor'?"
        ),
        "config:3: [DEFAULT] zzz: no section has such a key, and no %(zzz)s stands for it",
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("[clutser/slurm/frontend]", "; did you mean 'cluster'?"),
        ("[cluster/slrum/frontend]", "there is no section [cluster/slrum]; did you mean 'slurm'?"),
        ("[cluster:slurm]", "; did you mean 'cluster'?"),
        ("[default]", "; did you mean 'DEFAULT'?"),
        ("[storag]", "; did you mean 'storage'?"),
    ],
)
def test_section_that_nobody_looks_at_is_a_warning_of_each_template(
    files: SimpleNamespace, header: str, expected: str
) -> None:
    text = f"{files.good}{header}\nflavor=big\n"
    [warning] = warnings(files, text, "slurm")
    assert warning.startswith(f"config:17: {header} ")
    assert warning.endswith(expected)
    template = files.read(text).template("slurm")
    assert [str(one).replace(f"{files.folder}/", "") for one in template.warnings] == [warning]


def test_section_like_that_of_the_storage_is_a_warning_of_the_storage(files: SimpleNamespace) -> None:
    [warning] = files.read("[storag]\nstorage_path=/shared\n[cloud]\n").storage().warnings
    assert (warning.section, warning.message.rpartition("; ")[2]) == ("storag", "did you mean 'storage'?")


# Values


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("small   # the size", "'#' and what follows belong to the value: a comment needs a line of its own"),
        ("small ; the size", "';' and what follows belong to the value: a comment needs a line of its own"),
        ('"small"', "the quotes belong to the value: write it without"),
        ("\u201csmall\u201d", "the quotes belong to the value: write it without"),
        ("${NO_SUCH}x", "the environment variable 'NO_SUCH' is not set, so this stays as it is written"),
        ("$NO_SUCH", "the environment variable 'NO_SUCH' is not set, so this stays as it is written"),
        ("$NO_SUCH/x", "the environment variable 'NO_SUCH' is not set, so this stays as it is written"),
    ],
)
def test_value_that_is_likely_not_meant_is_a_warning(
    files: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    text = files.good.replace("flavor=small", f"flavor={value}")
    assert warnings(files, text, "slurm") == [f"config:14: [cluster/slurm] flavor: {message}"]


@pytest.mark.parametrize(
    "line",
    [
        "flavor=a#b;c",
        "flavor=pa$$word",
        "flavor=$1",
        "image_userdata=echo ${HERE} # says it",
        "ssh_proxy_command=ssh -W %h:%p gate 2>/dev/null ; true",
        "global_var_x=say 'no'",
    ],
)
def test_value_that_may_well_be_meant_is_none(files: SimpleNamespace, line: str) -> None:
    text = files.good.replace("flavor=small", f"flavor=small\n{line}")
    assert [w for w in warnings(files, text, "slurm") if "takes the place" not in w] == []
