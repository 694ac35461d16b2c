"""What the scripts do to a machine, tried on folders of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

ROOT = Path(__file__).parents[2]


def shell(code: str, text: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run shell code with the scripts' common part at hand."""
    command = ["bash", "-c", f". {ROOT}/scripts/lib.sh\n{code}"]
    return subprocess.run(
        command, env=os.environ | env, input=text, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Where packages look whether they may start services, in a machine of a few made-up programs."""
    programs = {
        "apt-get": """
            case $* in *install*) ;; *) exit 0 ;; esac
            "$TEST_POLICY" ssh start
            echo $? >"$TEST_POLICY.said"
            exit "$TEST_STATUS"
        """,
        "update-rc.d": 'echo "$*" >>"$TEST_POLICY.disabled"',
        "systemctl": "exit 1",
    }
    (tmp_path / "bin").mkdir()
    for name, code in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{code}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path / "policy-rc.d"


def install_idle(policy: Path, status: int = 0) -> int:
    """Install a package without its service; return the exit status."""
    path = f"{policy.parent}/bin:{os.environ['PATH']}"
    code = f"POLICY={policy}; apt_install_idle ssh openssh-server"
    return shell(code, PATH=path, TEST_POLICY=str(policy), TEST_STATUS=str(status)).returncode


def left(policy: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in policy.parent.iterdir() if path.is_file()}


def test_package_is_installed_without_starting_its_service(policy: Path) -> None:
    assert install_idle(policy) == 0
    assert left(policy) == {"policy-rc.d.said": "101\n", "policy-rc.d.disabled": "ssh disable\n"}


def test_failed_installation_leaves_no_policy_behind(policy: Path) -> None:
    assert install_idle(policy, status=100) == 100
    assert left(policy) == {"policy-rc.d.said": "101\n"}


def test_policy_that_somebody_has_written_stays(policy: Path) -> None:
    own = "#!/bin/sh\nexit 104\n"
    policy.write_text(own)
    policy.chmod(0o755)
    assert install_idle(policy) == 0
    assert left(policy) == {
        "policy-rc.d": own,
        "policy-rc.d.said": "104\n",
        "policy-rc.d.disabled": "ssh disable\n",
    }


def test_objects_of_a_cluster_are_told_from_those_of_others() -> None:
    rows = {
        "by uuid": "container\t1\t/slurm-x\tabcdef12-3\tme@here/1",
        "by name": "network\t2\tslurm-abcdef12\t-\t-",
        "by owner": "volume\t-\thome\tffffffff-9\tme@here/1",
        "other": "container\t3\t/slurm-ffffffff-n\tffffffff-9\tme@there/2",
        "image build": "container\t4\t/happy_name\t-\t-",
    }
    found = shell("objects_of abcdef12-3 me@here/1", "\n".join(rows.values())).stdout
    assert found.splitlines() == [rows[one] for one in ("by uuid", "by name", "by owner")]


REPORT = """<testsuites><testsuite>
<testcase classname="a" name="b" time="1"/>
</testsuite></testsuites>"""


def test_result_can_be_recorded_without_git(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    command = [sys.executable, ROOT / "scripts" / "record", tmp_path / "report.xml", tmp_path / "results"]
    subprocess.run(command, env={"PATH": "/nowhere"}, check=True)
    (written,) = (tmp_path / "results").iterdir()
    result = json.loads(written.read_text())
    assert (result["commit"], result["summary"]) == ("unknown", {"passed": 1})


def test_benchmark_needs_no_git() -> None:
    command = [sys.executable, "-c", "import measurement; print(measurement.commit())"]
    env = {"PATH": "/nowhere", "PYTHONPATH": str(ROOT / "benchmarks"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "unknown\n"


def residue(folder: Path, *args: str | Path) -> tuple[int, str]:
    """List what there is, in a temporary folder of the test and without a container engine."""
    env = os.environ | {"TMPDIR": str(folder), "DOCKER_HOST": "unix:///nonexistent"}
    command = [sys.executable, ROOT / "scripts" / "residue", *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_residue_names_what_is_new_since_a_listing_and_ends_with_1(tmp_path: Path) -> None:
    old, new, before = tmp_path / "ec-old", tmp_path / "ec-abc_efg8", tmp_path / "before"
    old.mkdir()
    status, listed = residue(tmp_path)
    assert status == 0
    assert f"file {old}\n" in listed
    before.write_text(listed)
    new.mkdir()
    waiting = ["sh", "-c", "read -r line", "worker", f"{new}/x"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as process:
        status, listed = residue(tmp_path, "--since", before, "--patience", "0")
        process.communicate()
    assert status == 1
    assert f"file {new}\n" in listed
    assert f"process {process.pid} sh -c read -r line worker" in listed
    assert str(old) not in listed


def test_residue_waits_for_what_goes_by_itself(tmp_path: Path) -> None:
    passing, before = tmp_path / "ec-passing", tmp_path / "before"
    before.write_text(residue(tmp_path)[1])
    passing.mkdir()
    Timer(1, passing.rmdir).start()
    assert str(passing) not in residue(tmp_path, "--since", before, "--patience", "5")[1]
    assert not passing.exists()
