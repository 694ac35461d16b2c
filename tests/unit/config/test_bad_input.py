"""Whatever is in the files: no traceback, each problem with its file and line, no work beyond need."""

from __future__ import annotations

import os
import string
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elasticluster.conf._creator import vocabulary
from elasticluster.config.problems import Problem
from elasticluster.config.templates import Configuration
from elasticluster.exceptions import ConfigurationError

any_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def read(path: Path, content: str | bytes) -> Configuration:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Configuration.read(path, **vocabulary())


# Anything at all

HEADERS = [
    *("[cluster/a]", "[cloud/a]", "[login/a]", "[setup/a]", "[cluster/a/b]", "[cluster/a/login]"),
    *("[DEFAULT]", "[storage]", "[clutser/a]", "[cluster]", "[cluster/]", "[x", "...", "[\xe4]"),
]
KEYS = [
    *("b", "b_nodes", "b_nodes_min", "b_min_nodes", "b_nodes_nodes", "b_groups", "b_var_x", "global_var_y"),
    *(
        "cloud",
        "login",
        "setup",
        "setup_provider",
        "provider",
        "image",
        "image_id",
        "image_sudo",
        "image_user",
    ),
    *("image_userdata", "flavor", "ssh_to", "start_timeout", "user_key_public", "storage_path", "zzz"),
    *("login_nodes", "login_groups", "global_nodes", "auto_ip_assignment", "slow_but_safer", "ec2_url"),
    *("playbook_path", "global_var_slurm_mpi", "ssh_proxy_command", "ansible_forks", "price", "docker_host"),
]
TEXTS = [
    *(
        "a",
        "b",
        "b001",
        "1",
        "-1",
        "1e999",
        "nan",
        "yes",
        "%(zzz)s",
        "%(b)s%(b)s",
        "$HOME",
        "~",
        "~nobody-here",
    ),
    *(
        "docker",
        "ec2_boto",
        "no.such:Thing",
        ":",
        "slurm_master",
        "ganglia_master,x",
        "[1,",
        "{a",
        "\x00",
        "\xff",
    ),
]
LINES = st.sampled_from(HEADERS) | st.tuples(
    st.sampled_from(KEYS), st.sampled_from(TEXTS) | st.text(max_size=5)
).map("=".join)


def found_in(configuration: Configuration, name: str) -> list[Problem]:
    """Return the problems of a template, none if it can be used."""
    try:
        configuration.template(name)
    except ConfigurationError as error:
        return list(error.problems)  # type: ignore[attr-defined]  # of our own subclass
    return []


def check_anything(path: Path, content: bytes) -> None:
    try:
        configuration = read(path, content)
    except ConfigurationError as error:
        refusal = error.message
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith(f"{path}:")
        return
    every = configuration.problems()
    for problem in (*every, *configuration.warnings()):
        assert (problem.at.path, problem.at.line > 0) == (str(path), True)
        assert str(problem).isprintable()
    assert [summary.name for summary in configuration.summaries()] == configuration.template_names()
    for name in configuration.template_names():
        assert set(found_in(configuration, name)) <= set(every)


@any_folder
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_give_templates_or_located_problems(path: Path, content: bytes) -> None:
    check_anything(path, content)


@any_folder
@given(lines=st.lists(LINES, max_size=30))
def test_any_lines_give_templates_or_located_problems(path: Path, lines: list[str]) -> None:
    check_anything(path, "\n".join(lines).encode("utf-8", "surrogateescape"))


@any_folder
@given(
    lines=st.lists(LINES, max_size=30), encoding=st.sampled_from(["latin-1", "utf-16", "cp1252", "utf-8-sig"])
)
def test_any_encoding_gives_templates_or_located_problems(
    path: Path, lines: list[str], encoding: str
) -> None:
    check_anything(path, "\r\n".join(lines).encode(encoding, "replace"))


# What is no text


@pytest.mark.parametrize("content", ["é".encode("latin-1"), b"\xff", b"a\x80"])
def test_line_that_is_no_utf8_is_a_problem_of_its_section_alone(
    files: SimpleNamespace, content: bytes
) -> None:
    text = files.good.encode() + b"[login/other]\nimage_user=" + content + b"\n"
    configuration = files.read(text)
    assert list(configuration.template("slurm").kinds) == ["frontend", "compute"]
    assert [str(p).replace(f"{files.folder}/", "") for p in configuration.problems()] == [
        "config:17: [login/other] image_user: is missing: user to log in as",
        "config:18: [login/other] is not UTF-8 text",
    ]


def test_comment_may_be_in_any_encoding(files: SimpleNamespace) -> None:
    assert files.read("# für Köln\n".encode("latin-1") + files.good.encode()).problems() == []


def test_header_that_is_no_utf8_keeps_its_keys_from_the_section_before(files: SimpleNamespace) -> None:
    text = files.good.encode() + b"[cluster/k\xf6ln]\nflavor=huge\n"
    assert files.lines(lambda: files.read(text).template("slurm")) == ["config:17: is not UTF-8 text"]


def test_nul_byte_is_a_problem_of_its_line(files: SimpleNamespace) -> None:
    assert files.problems(files.good.replace("flavor=small", "flavor=small\x00\nflavor=small")) == [
        "config:14: [cluster/slurm] has a NUL byte: expected text"
    ]


def test_names_are_shown_without_what_confuses_a_terminal(files: SimpleNamespace) -> None:
    [line] = files.problems(files.good + "\x1b[31mred=1\n")
    assert line == "config:17: [cluster/slurm] ?[31mred: unknown key"


def test_tabs_are_blanks(files: SimpleNamespace) -> None:
    text = files.good.replace("=", "\t=\t").replace("flavor\t=\t", "flavor =\n\t")
    spec = files.read(text).template("slurm").kinds["compute"].spec
    assert (spec.image_id, spec.flavor.strip()) == ("debian-13", "small")


def test_windows_file_is_read(files: SimpleNamespace) -> None:
    text = b"\xef\xbb\xbf" + files.good.replace("\n", "\r\n").encode()
    assert files.read(text).problems() == []


def test_second_value_of_a_key_in_one_file_wins_with_a_warning(files: SimpleNamespace) -> None:
    configuration = files.read(
        files.good + "[cluster/slurm]\nflavor=big\n", a="[cluster/slurm]\nflavor=huge\n"
    )
    assert configuration.template("slurm").kinds["compute"].spec.flavor == "huge"
    assert [str(w).replace(f"{files.folder}/", "") for w in configuration.warnings()] == [
        "config:18: [cluster/slurm] flavor: takes the place of line 14"
    ]


# What is no file


def message(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        call()
    return caught.value.message


def test_link_to_itself_is_told_even_beside_a_folder_of_files(path: Path) -> None:
    path.symlink_to(path)
    folder = path.with_name("config.d")
    folder.mkdir()
    (folder / "a.conf").touch()
    assert message(lambda: Configuration.read(path)) == (
        f"{path}: cannot be read: Too many levels of symbolic links"
    )


def test_folder_of_files_that_cannot_be_read_is_told(path: Path) -> None:
    path.touch()
    folder = path.with_name("config.d")
    folder.symlink_to(folder)
    assert message(lambda: Configuration.read(path)) == (
        f"{folder}: cannot be read: Too many levels of symbolic links"
    )


def test_file_that_cannot_be_read_is_told(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # nobody can read it from its beginning, not even root
    assert message(lambda: Configuration.read(path)) == f"{path}: cannot be read: Input/output error"


def test_file_without_an_end_is_told(path: Path) -> None:
    path.symlink_to("/dev/zero")
    assert message(lambda: Configuration.read(path)) == (
        f"{path}: is larger than 100 MB: it cannot be a configuration"
    )


def test_folder_in_place_of_a_file_of_the_folder_is_told(path: Path) -> None:
    inner = path.with_name("config.d") / "a.conf"
    inner.mkdir(parents=True)
    assert message(lambda: Configuration.read(path)) == f"{inner}: cannot be read: Is a directory"


def test_configuration_may_come_through_a_pipe(files: SimpleNamespace) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as stream:
        stream.write(files.good.encode())
    with os.fdopen(reader):
        assert Configuration.read(f"/dev/fd/{reader}").template_names() == ["slurm"]


# What is very large


def work(call: Callable[[], object]) -> int:
    """Return how many functions were called."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def use(path: Path, content: str) -> None:
    """Do everything that there is to do with a configuration."""
    configuration = read(path, content)
    configuration.summaries()
    configuration.problems()
    configuration.warnings()
    for name in configuration.template_names():
        found_in(configuration, name)


GROWING: dict[str, Callable[[int], str]] = {
    "long values": lambda n: "[cluster/a]\nimage_userdata=\n" + "  echo\n\n" * n,
    "keys": lambda n: "[cluster/a]\n" + "".join(f"key{i}=1\n" for i in range(n)),
    "keys again": lambda n: "[cluster/a]\n" + "flavor=1\nflavor=2\n" * n,
    "lines that are nothing": lambda n: "[cluster/a]\n" + "...\n" * n,
    "sections": lambda n: "".join(f"[cloud/c{i}]\nprovider=docker\n" for i in range(n)),
    "kinds": lambda n: "[cluster/a]\n" + "".join(f"{kind}_nodes=1\n" for kind in kinds(n)),
    "sections of kinds": lambda n: "[cluster/a]\n" + "".join(f"[cluster/a/{kind}]\n" for kind in kinds(n)),
    "templates": lambda n: (
        "[setup/s]\nx_groups=slurm_master\n"
        + "".join(f"[cluster/c{i}]\nsetup=s\nlogin=l\nx=1\n" for i in range(n))
    ),
    "names": lambda n: "[login/a]\n" + "".join(f"a{i}=%(b)s\n" for i in range(n)) + "b=%(c)s\nc=1\n",
}


def kinds(number: int) -> list[str]:
    letters = string.ascii_lowercase
    return [letters[i // 676] + letters[i // 26 % 26] + letters[i % 26] + "x" for i in range(number)]


@pytest.mark.parametrize("what", GROWING)
def test_work_grows_with_the_size_and_not_faster(path: Path, what: str) -> None:
    use(path, GROWING[what](10))  # what is loaded once
    small, large = (work(lambda n=n: use(path, GROWING[what](n))) for n in (200, 400))  # type: ignore[misc]
    assert large < 2.3 * small


@pytest.mark.parametrize(
    "text",
    [
        "[cluster/a]\nimage_userdata=\n" + "  echo hello\n" * 800_000,
        "[cluster/a]\n" + "x" * 10_000_000 + "=1\n",
        "[cluster/a]\nx" + " " * 10_000_000 + "y\n",
        "[cluster/a]\nflavor=" + "%(image_id)s" * 800_000 + "\nimage_id=debian\n",
    ],
    ids=["value", "key", "blanks", "names"],
)
def test_ten_megabytes_are_read(path: Path, text: str) -> None:
    configuration = read(path, text)
    assert configuration.template_names() == ["a"]
    assert max(len(str(problem)) for problem in configuration.problems()) < 500


def test_names_within_names_do_not_explode(files: SimpleNamespace) -> None:
    laughs = "".join(f"k{i}={f'%(k{i + 1})s' * 1000}\n" for i in range(9))
    text = files.good.replace("flavor=small", "flavor=%(k0)s") + f"[DEFAULT]\n{laughs}k9=ha\n"
    assert (
        "config:14: [cluster/slurm] flavor: names within %(…)s make it longer than 1000000 characters"
        in files.problems(text)
    )


def test_many_problems_are_told_without_a_guess_for_each(files: SimpleNamespace) -> None:
    lines = files.problems(files.good + "".join(f"flavour{i}=1\n" for i in range(150)))
    guessed = [line for line in lines if "did you mean 'flavor'?" in line]
    assert (len(lines), len(guessed)) == (150, 100)


def test_file_that_is_something_else_is_told_in_few_lines(files: SimpleNamespace) -> None:
    lines = files.problems(files.good + "Dear Sir or Madam\n" * 5000)
    assert len(lines) == 101
    assert lines[-1] == (
        "config:117: [cluster/slurm] this line and others cannot be understood either: "
        "is this a configuration file?"
    )
