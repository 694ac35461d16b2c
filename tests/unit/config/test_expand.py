from pathlib import Path

import pytest

import elasticluster
from elasticluster.config.expand import Sections
from elasticluster.config.reader import Section, read_files

PLAYBOOKS = str(Path(elasticluster.__file__).parent / "playbooks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def section(path: Path, text: str, name: str = "cloud/a") -> Section:
    path.write_text(text)
    found = Sections(read_files([path])).get(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("%(user)s@%(host)s", "me@h-me"),
        ("%h %p %r", "%h %p %r"),
        ("%%h 100%% %", "%h 100% %"),
        ("%%(user)s", "%(user)s"),
        ("p%ss(w)%", "p%ss(w)%"),
        ("$TOKEN ${TOKEN}x", "t0k t0kx"),
        ("$UNSET ${UNSET} $$ $ pa$$word", "$UNSET ${UNSET} $$ $ pa$$word"),
        ("$elasticluster_playbooks/x", f"{PLAYBOOKS}/x"),
        ("%(elasticluster_playbooks)s/${ansible_pb_dir}", f"{PLAYBOOKS}/{PLAYBOOKS}"),
    ],
)
def test_names_in_values(path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str) -> None:
    monkeypatch.setenv("TOKEN", "t0k")
    monkeypatch.delenv("UNSET", raising=False)
    text = f"[DEFAULT]\nhost=h-%(user)s\n[cloud/a]\nuser=me\nx={written}\n"
    assert section(path, text).text("x") == meant


def test_variables_in_a_script_are_the_nodes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert section(path, "[cloud/a]\nimage_userdata=ls $HOME\n").text("image_userdata") == "ls $HOME"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=%(usr)s", "%(usr)s names no key of this section or of [DEFAULT]; did you mean 'user'?"),
        ("x=%(x)s", "names within %(…)s go round in a circle, or too deep"),
    ],
)
def test_names_that_stand_for_nothing_are_problems(path: Path, text: str, message: str) -> None:
    problems = section(path, f"[cloud/a]\nuser=me\n{text}\n").problems
    assert [str(problem) for problem in problems] == [f"{path}:3: [cloud/a] x: {message}"]


def test_default_keys_count_for_sections_but_not_for_kinds(path: Path) -> None:
    text = "[DEFAULT]\nflavor=small\n[cluster/a]\n[cluster/b]\nflavor=big\n[cluster/b/compute]\n"
    assert section(path, text, "cluster/a").text("flavor") == "small"
    assert section(path, text, "cluster/b").text("flavor") == "big"
    assert section(path, text, "cluster/b/compute").entries == {}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cloud/a", "tenant_name", "project_name"),
        ("setup/a", "ssh_pipelining", "ansible_ssh_pipelining"),
        ("cluster/a", "setup_provider", "setup"),
        ("cluster/a", "image", "image_id"),
        ("cluster/a", "frontend_class", "ssh_to"),
        ("cluster/a", "compute_min_nodes", "compute_nodes_min"),
        ("cluster/a/compute", "image", "image_id"),
        ("cloud/a", "nova_api_version", "compute_api_version"),
        ("setup/a", "ansible_library", "ansible_module_dir"),
    ],
)
def test_old_names_of_keys_become_the_present_ones(path: Path, name: str, old: str, new: str) -> None:
    found = section(path, f"[{name}]\n{old}=x\n", name)
    assert {key: entry.key for key, entry in found.entries.items()} == {new: old}


def test_old_and_new_name_of_a_key_with_two_values_are_a_problem(path: Path) -> None:
    text = "[cluster/a]\nsetup_provider=x\nsetup=y\nimage=z\nimage_id=z\n"
    message = f"{path}:3: [cluster/a] setup: means the same as 'setup_provider' ({path}:2); remove one"
    assert [str(problem) for problem in section(path, text, "cluster/a").problems] == [message]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[cloud/a]\nauto_ip_assignment=False\nrequest_floating_ip=True\n", "cloud/a"),
        ("[setup/a]\nssh_pipelining=no\nansible_ssh_pipelining=False\n", "setup/a"),
    ],
)
def test_two_names_of_a_key_that_say_the_same_are_fine(path: Path, text: str, name: str) -> None:
    assert section(path, text, name).problems == []


def test_names_of_opposites_that_both_say_yes_are_a_problem(path: Path) -> None:
    [problem] = section(path, "[cloud/a]\nauto_ip_assignment=yes\nrequest_floating_ip=yes\n").problems
    assert problem.message == f"means the opposite of 'auto_ip_assignment' ({path}:2); remove one"


def test_later_file_wins_in_whatever_words_it_is_written(path: Path) -> None:
    later = path.with_name("later")
    path.write_text("[cluster/a]\nsetup=x\nsetup_provider=x\nimage=x\n")
    later.write_text("[cluster/a]\nimage_id=y\nsetup=y\n")
    found = Sections(read_files([path, later])).get("cluster/a")
    assert found is not None
    assert (found.text("setup"), found.text("image_id"), found.problems) == ("y", "y", [])


def test_what_a_script_does_not_mean_as_a_name_is_left_alone(path: Path) -> None:
    text = "[cloud/a]\nh=x\nimage_userdata=\n  #cloud-config\n  date +%(H)s %(h)s\n"
    found = section(path, text)
    assert found.text("image_userdata") == "\n#cloud-config\ndate +%(H)s x"
    assert found.problems == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [("True", "no"), ("no", "yes"), ("perhaps", "perhaps")],
    ids=["yes", "no", "neither"],
)
def test_automatic_addresses_are_the_opposite_of_asking_for_some(
    path: Path, written: str, meant: str
) -> None:
    found = section(path, f"[cloud/a]\nauto_ip_assignment={written}\n")
    assert found.text("request_floating_ip") == meant


def test_names_may_be_used_many_times_but_not_too_deep(path: Path) -> None:
    chain = "".join(f"k{i}=%(k{i + 1})s%(k{i + 1})s\n" for i in range(9))
    assert section(path, f"[cloud/a]\n{chain}k9=x\n").text("k0") == "x" * 512
    deeper = section(path, f"[cloud/a]\n{chain}k9=%(k10)s\nk10=%(k11)s\nk11=x\n")
    assert {problem.key for problem in deeper.problems} == {"k0", "k1"}
