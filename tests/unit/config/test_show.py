"""What a template comes to, and where each value came from."""

import pytest

from elasticluster.config.masking import MASK
from elasticluster.exceptions import ConfigurationError, TemplateNotFound


@pytest.fixture
def shown(files):
    """Return, for each section and key, the value and where it came from, as text."""

    def shown(text, name="slurm", **more):
        parts = files.read(text, **more).explain(name)
        return {
            part.name: {
                one.key: (one.value, str(one.origin).replace(f"{files.folder}/", "")) for one in part.settings
            }
            for part in parts
        }

    return shown


def test_every_value_of_a_template_is_shown_with_its_line_or_as_a_default(shown, files):
    assert shown(files.good) == {
        "cloud/here": {
            "provider": ("toy", "config:2"),
            "region": ("north", "config:3"),
            "floating": (False, "default"),
        },
        "login/me": {
            "image_user": ("debian", "config:5"),
            "image_sudo": (True, "default"),
            "image_user_sudo": ("root", "default"),
            "user_key_name": ("elasticluster-key", "default"),
        },
        "setup/slurm": {"provider": ("ansible", "default")},
        "cluster/slurm": {
            "cloud": ("here", "config:10"),
            "login": ("me", "config:11"),
            "setup": ("slurm", "config:12"),
            "ssh_probe_timeout": (5.0, "default"),
            "start_timeout": (600.0, "default"),
            "start_failure": ("keep", "default"),
        },
        "cluster/slurm/frontend": {
            "frontend_nodes": (1, "config:15 [cluster/slurm]"),
            "frontend_groups": (["slurm_master"], "config:7 [setup/slurm]"),
            "image_id": ("debian-13", "config:13 [cluster/slurm]"),
            "flavor": ("small", "config:14 [cluster/slurm]"),
            "image_user": ("debian", "config:5 [login/me]"),
            "boot_disk_size": (10, "default"),
        },
        "cluster/slurm/compute": {
            "compute_nodes": (2, "config:16 [cluster/slurm]"),
            "compute_groups": (["slurm_worker"], "config:8 [setup/slurm]"),
            "image_id": ("debian-13", "config:13 [cluster/slurm]"),
            "flavor": ("small", "config:14 [cluster/slurm]"),
            "image_user": ("debian", "config:5 [login/me]"),
            "boot_disk_size": (10, "default"),
        },
    }


def test_value_of_a_kind_comes_from_its_own_section(shown, files):
    text = f"{files.good}[cluster/slurm/compute]\nflavor=big\nboot_disk_size=20\n"
    compute = shown(text)["cluster/slurm/compute"]
    assert compute["flavor"] == ("big", "config:18")
    assert compute["boot_disk_size"] == (20, "config:19")


def test_value_of_a_later_file_names_that_file(shown, files):
    found = shown(files.good, later="[cluster/slurm]\nflavor=big\n")
    assert found["cluster/slurm/frontend"]["flavor"] == ("big", "config.d/later.conf:2 [cluster/slurm]")


def test_value_of_the_default_section_says_so_and_mere_names_are_not_shown(shown, files):
    text = f"[DEFAULT]\nregion=south\nname=abc\n{files.good.replace('region=north', 'project_name=%(name)s')}"
    assert shown(text)["cloud/here"] == {
        "provider": ("toy", "config:5"),
        "region": ("south", "config:2 [DEFAULT]"),
        "floating": (False, "default"),
        "project_name": ("abc", "config:6"),
    }


def test_environment_variables_in_a_value_are_named(shown, files, monkeypatch):
    monkeypatch.setenv("MY_REGION", "west")
    monkeypatch.delenv("MY_ZONE", raising=False)
    lines = "region=%(where)s\nwhere=${MY_REGION}$MY_ZONE\nproject_name=none"
    text = files.good.replace("region=north", lines).replace("provider=toy", "provider=free")
    cloud = shown(text)["cloud/here"]
    assert cloud["region"] == ("west$MY_ZONE", "config:3 with $MY_REGION")
    assert cloud["where"] == ("west$MY_ZONE", "config:4 with $MY_REGION")
    assert cloud["project_name"] == ("none", "config:5")


def test_key_of_an_older_name_is_shown_with_both(shown, files):
    text = files.good.replace("setup=slurm\n", "setup_provider=slurm\n").replace(
        "compute_nodes=2", "compute=2"
    )
    text = text.replace("region=north", "region=north\ntenant_name=hpc\nauto_ip_assignment=no")
    found = shown(text.replace("provider=toy", "provider=free"))
    assert found["cluster/slurm"]["setup"] == ("slurm", "config:14 setup_provider")
    assert found["cluster/slurm/compute"]["compute_nodes"] == (2, "config:18 [cluster/slurm] compute")
    assert found["cloud/here"]["project_name"] == ("hpc", "config:4 tenant_name")
    assert found["cloud/here"]["request_floating_ip"] == ("yes", "config:5 auto_ip_assignment")


def test_variables_of_a_kind_are_those_that_count_for_it(shown, files):
    text = files.good.replace(
        "[cluster/slurm]\n", "global_var_size=1\ncompute_var_size=2\n[cluster/slurm]\nglobal_var_size=3\n"
    )
    found = shown(text)
    assert found["cluster/slurm/frontend"]["frontend_var_size"] == (
        "3",
        "config:12 [cluster/slurm] global_var_size",
    )
    assert found["cluster/slurm/compute"]["compute_var_size"] == ("2", "config:10 [setup/slurm]")
    assert set(found["setup/slurm"]) == {"provider"}


def test_secrets_are_masked_also_where_they_were_put_into_other_values(shown, files, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "token12345")
    text = "[DEFAULT]\ndb_password=hunter22\n" + files.good.replace(
        "region=north", "region=x-%(db_password)s\npassword=abcdef\nproject_name=$MY_TOKEN"
    ).replace(
        "[cluster/slurm]\n", "global_var_api_token=xyz\nglobal_var_url=http://u:abcdef@h/\n[cluster/slurm]\n"
    )
    found = shown(text)
    assert found["cloud/here"]["region"][0] == f"x-{MASK}"
    assert found["cloud/here"]["password"] == (MASK, "config:6")
    assert found["cloud/here"]["project_name"] == (MASK, "config:7 with $MY_TOKEN")
    assert found["cluster/slurm/compute"]["compute_var_api_token"][0] == MASK
    assert found["cluster/slurm/compute"]["compute_var_url"][0] == f"http://u:{MASK}@h/"
    assert not any(secret in str(found) for secret in ("hunter22", "abcdef", "token12345", "xyz"))


def test_short_secret_is_masked_where_it_was_put_and_not_where_the_same_word_is(shown, files, monkeypatch):
    monkeypatch.setenv("MY_PASS", "debian")
    text = files.good.replace(
        "[cluster/slurm]\n",
        "global_var_db_password=debian\nglobal_var_q=a%(global_var_db_password)s\n"
        "global_var_r=b$MY_PASS\n[cluster/slurm]\n",
    )
    compute = shown(text)["cluster/slurm/compute"]
    assert compute["compute_var_q"][0] == f"a{MASK}"
    assert compute["compute_var_r"][0] == f"b{MASK}"
    assert (compute["image_user"][0], compute["image_id"][0]) == ("debian", "debian-13")


def test_keys_of_libcloud_that_no_table_knows_are_masked(shown, files):
    text = files.good.replace("provider=toy", "provider=libcloud\ndriver_name=exoscale\nkey=abc\nticket=def")
    cloud = shown(text.replace("region=north\n", ""))["cloud/here"]
    assert {name: value for name, (value, _) in cloud.items()} == {
        "provider": "libcloud",
        "driver_name": "exoscale",
        "key": MASK,
        "ticket": MASK,
    }


def test_names_of_keys_with_secrets_in_their_values_are_told(files):
    text = files.good.replace(
        "[cluster/slurm]\n",
        "global_var_db_password=abc\nglobal_var_q=a%(global_var_db_password)s\n[cluster/slurm]\n",
    )
    names = files.read(text).secret_names("slurm")
    assert {"compute_var_db_password", "compute_var_q"} <= names
    assert "image_id" not in names


def test_template_with_mistakes_is_not_shown(files):
    configuration = files.read(files.good.replace("flavor=small", "flavour=small"))
    with pytest.raises(ConfigurationError, match=r"\[cluster/slurm\] flavour: unknown key"):
        configuration.explain("slurm")


def test_unknown_template_is_not_shown(files):
    with pytest.raises(TemplateNotFound, match="There is no template 'slurn'"):
        files.read(files.good).explain("slurn")
