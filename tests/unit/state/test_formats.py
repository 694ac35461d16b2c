"""Snapshots in each format: what goes in comes out, and what is no such file is named in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticluster.exceptions import ConfigurationError, StateError
from elasticluster.state.formats import SUFFIXES, dump, parse
from elasticluster.state.store import DiskStore

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@pytest.mark.parametrize("form", SUFFIXES)
@given(document=DOCUMENTS)
def test_document_survives(form: str, document: object) -> None:
    assert parse(dump({"x": document}, form), form, "x") == {"x": document}


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize(
    "text",
    [
        "ü\ud800\n",
        "\ud800\\ud800",
        "yes",
        "1:30",
        "2020-01-01",
        "1e5",
        "=",
        "\x00\x7f\x85\u2028",
        " a ",
        "\ufeff",
    ],
)
def test_difficult_text_survives_as_value_and_key(form: str, text: str) -> None:
    assert parse(dump({text: [text]}, form), form, "x") == {text: [text]}


def test_yaml_of_python_2_is_read() -> None:
    data = b"{? !!python/unicode 'name' : !!python/str 'slurm'}"
    assert parse(data, "yaml", "x") == {"name": "slurm"}


NO_KEY = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
NO_TAG = (
    "could not determine a constructor for the tag "
    "'tag:yaml.org,2002:python/object/apply:os.system' in line 1"
)


@pytest.mark.parametrize(
    ("form", "data", "problem"),
    [
        ("json", b"", "it is empty"),
        ("yaml", b" \n", "it is empty"),
        ("pickle", b"", "it is empty"),
        ("json", b"{", f"it is not JSON ({NO_KEY})"),
        ("yaml", b"a: 1\nb: [1,\n", "it is not YAML (did not find expected node content in line 3)"),
        ("yaml", b"a: \xff", "it is not YAML (bad character)"),
        ("yaml", b"a: !!python/object/apply:os.system [id]", f"it is not YAML ({NO_TAG})"),
        ("pickle", b"\x80\x04}", "it is not a pickle (Ran out of input)"),
        ("pickle", b"hello", "it is not a pickle (Memo value not found at index 101)"),
        ("pickle", b"0.", "it is not a pickle (unpickling stack underflow)"),
        ("json", b"[" * 100_000, "it is nested too deeply"),
        ("yaml", b"[" * 200_000 + b"]" * 200_000, "it is nested too deeply"),
        ("yaml", b"- " * 200_000 + b"x", "it is nested too deeply"),
    ],
)
def test_file_that_is_no_such_thing_is_named(form: str, data: bytes, problem: str) -> None:
    with pytest.raises(StateError) as caught:
        parse(data, form, "/s/slurm")
    assert caught.value.message == f"/s/slurm is damaged: {problem}."


@pytest.mark.parametrize("form", SUFFIXES)
def test_file_cut_anywhere_is_an_error_or_no_cluster(form: str, tmp_path: Path) -> None:
    stored = json.loads((Path(__file__).parent / "version2.json").read_text())
    whole = dump(stored | {"generation": "g"}, form)
    path = tmp_path / f"slurm{SUFFIXES[form]}"
    for size in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:size])
        with pytest.raises(StateError) as caught:
            DiskStore(tmp_path, [form]).load("slurm")
        assert caught.value.message.startswith(f"{path} is damaged: ")
        assert "\n" not in caught.value.message


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DiskStore("x", ["xml"])
    assert str(caught.value) == "Clusters cannot be stored as 'xml'.\nUse one of json, yaml, pickle."
    with pytest.raises(ConfigurationError, match="are not stored as 'yaml' here, but as json"):
        DiskStore("x", ["json"], "yaml")


@pytest.mark.parametrize(("form", "imported"), [("json", set()), ("yaml", {"yaml"}), ("pickle", {"pickle"})])
def test_only_what_a_format_needs_is_imported(form: str, imported: set[str], tmp_path: Path) -> None:
    stored = json.loads((Path(__file__).parent / "version2.json").read_text())
    (tmp_path / f"slurm{SUFFIXES[form]}").write_bytes(dump(stored | {"generation": "g"}, form))
    code = (
        "import sys\n"
        "from elasticluster.repository import MultiDiskRepository\n"
        f"assert [c.name for c in MultiDiskRepository({str(tmp_path)!r}).get_all()] == ['slurm']\n"
        "print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert {"yaml", "pickle"} & set(found.split()) == imported
