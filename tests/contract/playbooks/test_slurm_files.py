"""What the templates of the role slurm come to, by the real Ansible on this computer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.playbooks.local_play import ROLES, play

FILES = ("slurm.conf", "gres.conf", "cgroup.conf", "slurmdbd.conf")
CASES: dict[str, dict[str, Any]] = {
    "usual": {},
    "none": {"slurm_workers": []},
    "own": {
        "slurm_conf": {"DefMemPerNode": 100, "KillWait": 60, "DisableRootJobs": True, "MaxJobCount": None},
        "slurm_cgroup_conf": {"ConstrainRAMSpace": None, "ConstrainDevices": True},
        "slurm_dbd_conf": {"StorageLoc": "mine", "PurgeJobAfter": "12months"},
    },
    "plain": {"slurm_accounting": False, "slurm_mpi": False, "slurm_defmempercpu": 5},
    "parameters": {"slurm_conf": {"SlurmctldParameters": ["idle_on_node_suspend", "reboot_from_controller"]}},
    "cgroups": {"slurm_taskplugin": "task/affinity,task/cgroup", "slurm_constrainswapspace": False},
    "partitions": {
        "slurm_partitions": {
            "main": {"MaxTime": None, "State": "DRAIN"},
            "big": None,
            "short": {"Nodes": "compute, gone001,fast,compute,compute001", "MaxTime": 60, "Default": True},
            "everything": {"AllowGroups": ["staff", "students"], "Nodes": "gone001,all"},
        }
    },
    "ranges": {
        "slurm_partitions": {
            "short": {"Nodes": "compute[001-002,009], gone001"},
            "long": {"Nodes": ["big[001]", "big"]},
            "gone": {"Nodes": "compute[002-900]"},
        }
    },
    "cases": {
        "slurm_conf": {
            "defmempernode": 500,
            "SLURMCTLDPARAMETERS": "a, b",
            "killwait": 5,
            "mpiDefault": None,
        },
        "slurm_dbd_conf": {"storageloc": "mine"},
        "slurm_cgroup_conf": {"constrainramspace": None},
        "slurm_partitions": {"short": {"nodes": "big", "default": "yes", "STATE": "DOWN", "maxtime": None}},
    },
    "blanks": {
        "slurm_conf": {"PreemptMode": "OFF", "MailProg": "/usr/bin/env mail", "Epilog": '"/a b"'},
        "slurm_dbd_conf": {"StoragePass": "a b"},
        "slurm_partitions": {"main": {"Alternate": "not this"}},
    },
    "renamed": {"slurm_partition": "big"},
    "manual": {
        "slurm_selecttype": "select/linear",
        "slurm_selecttypeparameters": "CR_Memory",
        "slurm_taskplugin": "task/affinity",
        "slurm_proctracktype": "proctrack/pgid",
        "slurm_jobacctgathertype": "jobacct_gather/none",
        "slurm_jobacctgatherfrequency": 7,
        "slurm_returntoservice": 1,
        "slurm_maxarraysize": 77,
        "slurm_maxjobcount": 777,
        "slurm_defmempercpu": 7777,
        "slurm_allowedramspace": 90,
        "slurm_allowedswapspace": 2,
        "slurm_constrainramspace": False,
        "slurm_constrainswapspace": False,
    },
}


@dataclass
class Written:
    """What the templates came to."""

    folder: Path
    said: str

    def lines(self, case: str, name: str = "slurm.conf") -> list[str]:
        """Return the lines of a file."""
        text = json.loads((self.folder / case).read_text())[name]
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def settings(self, case: str, name: str = "slurm.conf") -> dict[str, str]:
        """Return the settings of a file by name; nodes and the like are left out."""
        pairs = [line.split("=", 1) for line in self.lines(case, name) if line.count("=") == 1]
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    def beginning(self, start: str, case: str) -> list[str]:
        """Return what follows in the lines of slurm.conf that begin like this."""
        return [line.removeprefix(start) for line in self.lines(case) if line.startswith(start)]


def writing(path: Path, **variables: Any) -> dict[str, Any]:
    """Return a step that writes the texts of all files by name, and may fail."""
    look = "lookup('ansible.builtin.template', '{0}/slurm/templates/{1}.j2')"
    texts = ", ".join(f"'{name}': {look.format(ROLES, name)}" for name in FILES)
    copied = {"content": f"{{{{ {{{texts}}} | to_json }}}}", "dest": str(path), "mode": "0644"}
    return {"ansible.builtin.copy": copied, "vars": variables, "run_once": True, "ignore_errors": True}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("written")
    steps = [writing(folder / case, **variables) for case, variables in CASES.items()]
    done = play(folder, *steps, writing(folder / "unsized", slurm_workers=["frontend001"]))
    return Written(folder, done.stdout + done.stderr)


def test_jobs_get_the_memory_of_a_node_but_for_what_the_system_needs(written: Written) -> None:
    (line,) = written.beginning("NodeName=compute001 ", "usual")
    assert line == "CPUs=2 RealMemory=1843 Feature=compute State=UNKNOWN"


def test_size_and_gpus_that_the_provider_does_not_say_are_those_of_the_user(written: Written) -> None:
    (line,) = written.beginning("NodeName=big001 ", "usual")
    assert line == "CPUs=4 RealMemory=15872 Gres=gpu:a100:2 Feature=big,fast State=UNKNOWN"
    assert written.lines("usual", "gres.conf") == ["NodeName=big001 Name=gpu Type=a100 File=/dev/nvidia[0-1]"]


def test_size_that_nobody_says_is_refused(written: Written) -> None:
    assert not (written.folder / "unsized").exists()
    assert "set slurm_cpus and slurm_memory_mb for the kind of frontend001" in written.said


def test_job_of_one_processor_gets_its_share_of_the_smallest_worker(written: Written) -> None:
    assert written.settings("usual")["DefMemPerCPU"] == "921"
    assert written.settings("plain")["DefMemPerCPU"] == "5"


def test_share_of_a_job_is_replaced_by_that_of_the_user(written: Written) -> None:
    found = written.settings("own")
    assert "DefMemPerCPU" not in found
    assert (found["DefMemPerNode"], found["KillWait"]) == ("100", "60")


def test_settings_of_the_user_are_written_as_slurm_reads_them_and_null_takes_one_away(
    written: Written,
) -> None:
    found = written.settings("own")
    assert found["DisableRootJobs"] == "YES"
    assert "MaxJobCount" not in found
    assert written.settings("usual")["MaxJobCount"] == "10000"


def test_variables_of_the_manual_are_settings_of_slurm(written: Written) -> None:
    expected = {
        "SelectType": "select/linear",
        "SelectTypeParameters": "CR_Memory",
        "TaskPlugin": "task/affinity",
        "ProctrackType": "proctrack/pgid",
        "JobAcctGatherType": "jobacct_gather/none",
        "JobAcctGatherFrequency": "7",
        "ReturnToService": "1",
        "MaxArraySize": "77",
        "MaxJobCount": "777",
        "DefMemPerCPU": "7777",
    }
    assert expected.items() <= written.settings("manual").items()
    assert written.settings("manual", "cgroup.conf") == {
        "CgroupPlugin": "disabled",
        "AllowedRAMSpace": "90",
        "AllowedSwapSpace": "2",
        "ConstrainRAMSpace": "NO",
        "ConstrainSwapSpace": "NO",
    }


def test_cluster_stays_configless_whatever_the_user_sets(written: Written) -> None:
    assert written.settings("usual")["SlurmctldParameters"] == "enable_configless"
    said = "enable_configless,idle_on_node_suspend,reboot_from_controller"
    assert written.settings("parameters")["SlurmctldParameters"] == said


def test_accounting_and_mpi_leave_nothing_behind_where_they_are_off(written: Written) -> None:
    usual, plain = written.settings("usual"), written.settings("plain")
    assert usual["AccountingStorageType"] == "accounting_storage/slurmdbd"
    assert usual["AccountingStorageHost"] == "frontend001"
    assert usual["MpiDefault"] == "pmix"
    assert [name for name in plain if name.startswith(("Accounting", "Mpi"))] == []


def test_slurmdbd_s_settings_are_merged(written: Written) -> None:
    found = written.settings("own", "slurmdbd.conf")
    assert (found["StorageLoc"], found["PurgeJobAfter"]) == ("mine", "12months")
    assert found["StorageUser"] == "slurm"
    assert "StoragePass" not in found


def test_limits_of_jobs_are_in_cgroup_conf(written: Written) -> None:
    assert written.lines("usual", "cgroup.conf") == [
        "CgroupPlugin=disabled",
        "AllowedRAMSpace=100",
        "AllowedSwapSpace=1",
        "ConstrainRAMSpace=YES",
        "ConstrainSwapSpace=YES",
    ]
    own = written.settings("own", "cgroup.conf")
    assert "ConstrainRAMSpace" not in own
    assert own["ConstrainDevices"] == "YES"


def test_cgroups_are_found_where_a_plugin_uses_them(written: Written) -> None:
    found = written.settings("cgroups", "cgroup.conf")
    assert (found["CgroupPlugin"], found["ConstrainSwapSpace"]) == ("autodetect", "NO")


def test_each_kind_has_a_partition_besides_that_of_all(written: Written) -> None:
    assert written.beginning("PartitionName=", "usual") == [
        "main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        "compute Nodes=compute MaxTime=INFINITE State=UP",
        "big Nodes=big MaxTime=INFINITE State=UP",
    ]
    assert written.beginning("NodeSet=", "usual") == ["big Feature=big", "compute Feature=compute"]


def test_partitions_of_the_user_are_merged(written: Written) -> None:
    assert written.beginning("PartitionName=", "partitions") == [
        "main Nodes=ALL State=DRAIN",
        "compute Nodes=compute MaxTime=INFINITE State=UP",
        "short Nodes=compute,fast,compute001 Default=YES MaxTime=60 State=UP",
        "everything Nodes=ALL MaxTime=INFINITE State=UP AllowGroups=staff,students",
    ]


def test_names_do_not_depend_on_case(written: Written) -> None:
    found = written.settings("cases")
    assert found["SlurmctldParameters"] == "enable_configless,a,b"
    assert (found["DefMemPerNode"], found["killwait"]) == ("500", "5")
    assert [name for name in found if name.lower() in ("defmempercpu", "mpidefault")] == []
    assert written.settings("cases", "slurmdbd.conf")["StorageLoc"] == "mine"
    assert "ConstrainRAMSpace" not in written.settings("cases", "cgroup.conf")
    partitions = written.beginning("PartitionName=", "cases")
    assert partitions[0] == "main Nodes=ALL MaxTime=INFINITE State=UP"
    assert partitions[-1] == "short Nodes=big Default=yes State=DOWN"


def test_values_with_blanks_are_quoted_once(written: Written) -> None:
    found = written.settings("blanks")
    assert (found["PreemptMode"], found["MailProg"]) == ("OFF", '"/usr/bin/env mail"')
    assert found["Epilog"] == '"/a b"'
    assert written.settings("blanks", "slurmdbd.conf")["StoragePass"] == '"a b"'
    assert written.beginning("PartitionName=main ", "blanks")[0].endswith(' Alternate="not this"')


def test_partition_may_be_made_of_kinds_and_features(written: Written) -> None:
    sets = written.beginning("NodeSet=", "partitions")
    assert sets == ["big Feature=big", "compute Feature=compute", "fast Feature=fast"]


def test_nodes_of_a_range_that_are_not_there_are_left_out(written: Written) -> None:
    assert written.beginning("PartitionName=", "ranges")[-3:] == [
        "short Nodes=compute001 MaxTime=INFINITE State=UP",
        "long Nodes=big001,big MaxTime=INFINITE State=UP",
        "gone MaxTime=INFINITE State=UP",
    ]
    assert written.beginning("NodeSet=", "ranges") == ["big Feature=big", "compute Feature=compute"]


def test_partition_of_all_may_be_called_like_a_kind(written: Written) -> None:
    assert written.beginning("PartitionName=", "renamed") == [
        "big Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        "compute Nodes=compute MaxTime=INFINITE State=UP",
    ]


def test_partitions_stay_while_there_are_no_workers(written: Written) -> None:
    assert written.beginning("PartitionName=", "none") == written.beginning("PartitionName=", "usual")
    assert written.beginning("NodeName=", "none") == ["none State=FUTURE"]
    assert "DefMemPerCPU" not in written.settings("none")
