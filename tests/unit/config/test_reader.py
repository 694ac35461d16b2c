from pathlib import Path

import pytest

from elasticluster.config.reader import Document, config_files, read_files
from elasticluster.exceptions import ConfigurationError


def read(path: Path, text: str | bytes) -> Document:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_files([path])


def values(document: Document, section: str) -> dict[str, str]:
    return {key: entry.text for key, entry in document.sections[section].entries.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def test_reader_keeps_file_and_line_of_sections_and_keys(path: Path) -> None:
    section = read(path, "# hello\n\n[cloud/a]\nx=1\n; no\ny = 2\n").sections["cloud/a"]
    assert str(section.at) == f"{path}:3"
    assert [str(entry.at) for entry in section.entries.values()] == [f"{path}:4", f"{path}:6"]


def test_reader_takes_equals_sign_and_colon(path: Path) -> None:
    document = read(path, "[a]\nurl: http://h:1/?q=2\nb=c:d=e\nempty=\nspaced key = v  \n")
    assert values(document, "a") == {"url": "http://h:1/?q=2", "b": "c:d=e", "empty": "", "spaced key": "v"}


def test_reader_distinguishes_case_of_keys(path: Path) -> None:
    assert values(read(path, "[a]\nKey=1\nkey=2\n"), "a") == {"Key": "1", "key": "2"}


def test_reader_lets_later_keys_and_sections_win_in_the_first_place(path: Path) -> None:
    document = read(path, "[a]\nx=1\ny=1\nx=2\n[b]\n[a]\ny=3\n")
    assert list(document.sections) == ["a", "b"]
    assert list(values(document, "a").items()) == [("x", "2"), ("y", "3")]
    assert document.sections["a"].entries["x"].at.line == 4


def test_reader_joins_indented_lines_and_drops_comments_between_them(path: Path) -> None:
    text = "[a]\nscript=\n  #! /bin/sh\n  # why\n\n    echo 1\n\n\n  ; no\nnext=2\n\n"
    assert values(read(path, text), "a") == {"script": "\n#! /bin/sh\n\necho 1", "next": "2"}


def test_reader_takes_an_indented_line_after_a_header_as_a_key(path: Path) -> None:
    assert values(read(path, "[a]\n  x=1\n  y=2\n    more\n"), "a") == {"x": "1", "y": "2\nmore"}


def test_reader_takes_byte_order_mark_and_windows_line_ends(path: Path) -> None:
    document = read(path, b"\xef\xbb\xbf[a]\r\nx=1\r\n  2\r\n")
    assert values(document, "a") == {"x": "1\n2"}


def test_reader_allows_a_comment_after_a_header(path: Path) -> None:
    assert list(read(path, "[a] # mine\n[b];too\n").sections) == ["a", "b"]


def test_reader_gives_a_broken_line_to_its_section_and_goes_on(path: Path) -> None:
    document = read(path, "[a]\nx=1\n...\ny=2\n")
    assert values(document, "a") == {"x": "1", "y": "2"}
    expected = f"{path}:3: [a] expected [SECTION], KEY=VALUE or a comment"
    assert [str(problem) for problem in document.sections["a"].problems] == [expected]


def test_reader_gives_keys_after_a_broken_header_to_no_section(path: Path) -> None:
    document = read(path, "x=1\n[a]\ny=1\n[b\ny=2\n[]\ny=3\n[c] d\n")
    assert values(document, "a") == {"y": "1"}
    assert [str(problem) for problem in document.problems] == [
        f"{path}:1: key 'x' comes before the first [SECTION]",
        f"{path}:4: expected a section such as [cluster/NAME]",
        f"{path}:6: expected a section such as [cluster/NAME]",
        f"{path}:8: expected a section such as [cluster/NAME]",
    ]


def test_config_files_are_the_main_file_and_its_sorted_folder(path: Path) -> None:
    folder = path.with_name("config.d")
    folder.mkdir()
    for name in ("b.conf", "a.conf", "c.txt"):
        (folder / name).touch()
    assert config_files(path) == [folder / "a.conf", folder / "b.conf"]
    path.touch()
    assert config_files(path) == [path, folder / "a.conf", folder / "b.conf"]


def test_config_files_expands_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_files("~/config") == [tmp_path / "config"]


@pytest.mark.parametrize("path", ["/", ".", ""])
def test_config_files_takes_a_path_without_a_name(path: str) -> None:
    assert config_files(path) == [Path(path)]


def test_later_files_win(path: Path) -> None:
    folder = path.with_name("config.d")
    folder.mkdir()
    path.write_text("[a]\nx=1\n")
    (folder / "2.conf").write_text("[a]\nx=3\n")
    (folder / "1.conf").write_text("[a]\nx=2\ny=2\n")
    document = read_files(config_files(path))
    assert values(document, "a") == {"x": "3", "y": "2"}
    assert document.sections["a"].entries["y"].at.path == str(folder / "1.conf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "{path}: there is no such file"),
        ("folder", "{path}: cannot be read: Is a directory"),
        (b"\xff\xfe[\x00", "{path}:1: is not UTF-8 text but UTF-16: save it as UTF-8"),
    ],
)
def test_read_files_names_a_file_that_cannot_be_read(path: Path, content: object, message: str) -> None:
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_files(config_files(path))
    assert str(caught.value) == message.format(path=path)
