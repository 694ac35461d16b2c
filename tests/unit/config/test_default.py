import re
import subprocess
import sys
from pathlib import Path

import pytest

from elasticluster.config.default import deploy_default
from elasticluster.config.templates import Configuration
from elasticluster.exceptions import ConfigurationError
from elasticluster.providers.registry import CLOUDS, cloud_tables

PROVIDERS = {name: cloud_tables(name) for name in CLOUDS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".elasticluster" / "config"


def test_default_is_private_and_alone_in_a_private_folder(path: Path) -> None:
    assert deploy_default(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_default_goes_below_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert deploy_default()
    assert (tmp_path / ".elasticluster" / "config").is_file()


def test_default_never_takes_the_place_of_a_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("mine")
    assert not deploy_default(path)
    assert path.read_text() == "mine"


def test_default_is_not_written_beside_a_folder_of_files(path: Path) -> None:
    folder = path.with_name("config.d")
    folder.mkdir(parents=True)
    (folder / "mine.conf").touch()
    assert not deploy_default(path)
    assert not path.exists()


def test_default_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "config"
    with pytest.raises(ConfigurationError) as caught:
        deploy_default(path)
    reason = f"File exists: '{tmp_path / 'file'}'"
    assert caught.value.message == f"{path}: the default configuration cannot be written: {reason}"


def test_default_has_a_slurm_template_that_needs_no_edit(path: Path) -> None:
    deploy_default(path)
    configuration = Configuration.read(path, providers=PROVIDERS)
    template = configuration.template("slurm")
    assert configuration.problems() == []
    assert configuration.template_names() == ["slurm"]
    assert {kind: nodes.count for kind, nodes in template.kinds.items()} == {"frontend": 1, "compute": 2}
    assert template.setup.args["groups"] == {"frontend": ["slurm_master"], "compute": ["slurm_worker"]}
    assert (template.cloud.type, template.login.user_key_private) == ("docker", "")


def test_default_examples_load_when_they_are_uncommented(path: Path) -> None:
    deploy_default(path)
    text = path.read_text()
    examples = text[text.index("# --- Examples") :]
    path.write_text(text + re.sub(r"^#(?=\S)", "", examples, flags=re.MULTILINE))
    configuration = Configuration.read(path, providers=PROVIDERS)
    assert configuration.problems() == []
    assert configuration.template_names() == [
        "slurm",
        "slurm-on-amazon",
        "slurm-on-google",
        "slurm-on-openstack",
    ]
    setups = {configuration.template(name).setup.section for name in configuration.template_names()}
    assert setups == {"slurm"}


def test_example_of_the_documentation_loads(path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "configuration.md"
    example = re.findall(r"```ini\n(.*?)```", page.read_text(), re.DOTALL)[0]
    path.parent.mkdir()
    path.write_text(example)
    configuration = Configuration.read(path, providers=PROVIDERS)
    assert configuration.problems() == []
    assert list(configuration.template("slurm").kinds) == ["frontend", "compute"]


def test_reading_and_listing_loads_no_heavy_library(path: Path) -> None:
    deploy_default(path)
    program = (
        "import sys; from elasticluster.config.templates import Configuration\n"
        "Configuration.read(sys.argv[1]).summaries()\n"
        "heavy = ('voluptuous', 'difflib', 'tempfile', 'docker', 'yaml')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
