from pathlib import Path
from typing import Any

import pytest

from elasticluster.config.keys import Key, KeyType
from elasticluster.config.problems import Position
from elasticluster.config.reader import Entry
from elasticluster.config.values import convert


def converted(
    kind: KeyType, text: str, path: Path = Path("/etc/config"), choices: tuple[str, ...] = ()
) -> Any:
    return convert(Key("k", kind, choices=choices), Entry("s", "k", text, Position(str(path), 1)))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", " x", " x"),
        ("int", "-12", -12),
        ("float", "0.08", 0.08),
        ("float", "3", 3.0),
        ("list", "a, b,,c ", ["a", "b", "c"]),
        ("url", "https://h:5000/v3", "https://h:5000/v3"),
        *(("bool", text, True) for text in ("yes", "True", "ON", "1")),
        *(("bool", text, False) for text in ("no", "False", "OFF", "0")),
    ],
)
def test_text_becomes_what_the_type_says(kind: KeyType, text: str, value: object) -> None:
    assert converted(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("int", "two", "expected a whole number, not 'two'"),
        ("int", "1_0", "expected a whole number, not '1_0'"),
        ("int", "9" * 80, f"expected a whole number, not '{'9' * 60}…'"),
        ("int", "1\nx  y", "expected a whole number, not '1 x y'"),
        ("float", "cheap", "expected a number, not 'cheap'"),
        ("float", "6_00", "expected a number, not '6_00'"),
        ("float", "\u0663", "expected a number, not '\u0663'"),
        ("float", "nan", "expected a number, not 'nan'"),
        ("bool", "maybe", "expected yes or no, not 'maybe'"),
        ("url", "example.org", "expected a URL such as https://host/path, not 'example.org'"),
        ("url", "http://[1", "expected a URL such as https://host/path, not 'http://[1'"),
        ("path", "none", "there is no file '/etc/none'"),
        ("path", "/etc", "'/etc' is not a file"),
    ],
)
def test_wrong_text_is_told_with_what_was_expected(kind: KeyType, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        converted(kind, text)
    assert str(caught.value) == message


def test_choices_are_the_only_texts_allowed() -> None:
    assert converted("str", "fast", choices=("fast", "cheap")) == "fast"
    with pytest.raises(
        ValueError, match=r"^expected one of fast, cheap, not 'chaep'; did you mean 'cheap'\?$"
    ):
        converted("str", "chaep", choices=("fast", "cheap"))


def test_path_starts_from_the_home_or_the_configurations_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert converted("path", "~/key") == str(tmp_path / "key")
    assert converted("path", "key", tmp_path / "config") == str(tmp_path / "key")


def test_folder_starts_where_a_path_does_and_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert converted("folder", "~/clusters") == "/home/me/clusters"
    assert converted("folder", "../clusters", tmp_path / "config") == str(tmp_path.parent / "clusters")


@pytest.mark.parametrize(("kind", "text"), [("int", "-1"), ("float", "-0.01")])
def test_number_below_the_minimum_is_refused(kind: KeyType, text: str) -> None:
    entry = Entry("s", "k", text, Position("/etc/config", 1))
    assert convert(Key("k", kind, minimum=0), Entry("s", "k", "0", entry.at)) == 0
    with pytest.raises(ValueError, match=rf"^expected 0 or more, not '{text}'$"):
        convert(Key("k", kind, minimum=0), entry)
