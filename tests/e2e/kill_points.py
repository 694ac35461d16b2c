"""The real command line under an observer, which writes down the moments at which it might be killed.

``python kill_points.py LOG POINT COMMAND...`` runs a command and appends the names of the moments that it
comes through to the file LOG, one a line. At the one called POINT it kills its own process with SIGKILL; with
an empty POINT it goes to its end.

The moments are those before and after every call of the cloud's and the setup's port, every call that changes
something on the engine or the cloud, every fsync, every start of a program, and every event of a phase or a
task. Nothing is replaced: Python's profiling hook sees the calls go by. Names count within a phase (``create:
before POST containers/create 2``), so that the same run has the same names. How often a machine is looked at
while it boots is a matter of chance; of such calls only the first of a phase is a moment.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from types import CodeType, FrameType

from requests.sessions import Session

from elasticluster.cluster._setup import SetupPort
from elasticluster.engine.events import PhaseEnded, PhaseStarted, TaskStarted
from elasticluster.engine.ports import CloudProvider, SetupProvider
from elasticluster.engine.run import Run
from elasticluster.main import main
from elasticluster.providers import registry

POLLING = frozenset({"account", "list_instances", "host_keys", "console_output"})
READING = ("Describe", "Get", "List")  # what actions of EC2 begin with that change nothing

_VERSION_RE = re.compile(r"^[a-z+]+://[^/]*/v[0-9.]+/")
_NAMED_RE = re.compile(r"(?<=/)[^/]*(slurm|[0-9a-f]{12})[^/]*")  # of containers, networks, volumes


class Observer:
    """Notes moments, and is dead from one of them on.

    Args:
        log: path of a file; the name of each moment is appended to it.
        dies_at: name of the moment of death; empty: never.
    """

    def __init__(self, log: str, dies_at: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._dies_at = dies_at
        self._phase = "beginning"
        self._counts: Counter[tuple[str, str]] = Counter()
        self._guard = threading.Lock()
        self._calls = _calls()

    def watch(self) -> None:
        """Look at the calls of this thread, and of all that begin from now on."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def _profile(self, frame: FrameType, event: str, called: object) -> None:
        if event in ("c_call", "c_return"):
            if called is os.fsync:
                when = "before" if event == "c_call" else "after"
                self._moment(when, f"fsync in {frame.f_code.co_name}")
        elif frame.f_code in self._calls:
            self._call(frame, before=event == "call")
        elif _is_of_botocore(frame.f_code):
            action = frame.f_locals["operation_model"].name
            if not action.startswith(READING):
                self._moment("before" if event == "call" else "after", action)

    def _call(self, frame: FrameType, *, before: bool) -> None:
        code, when = frame.f_code, "before" if before else "after"
        if code is Run.tell.__code__:
            self._told(frame.f_locals["event"], when)
        elif code is Session.request.__code__:
            verb = frame.f_locals["method"].upper()
            if verb != "GET":
                self._moment(when, f"{verb} {_place(frame.f_locals['url'])}")
        else:
            self._moment(when, self._calls[code])

    def _told(self, event: object, when: str) -> None:
        if isinstance(event, TaskStarted):
            self._moment(when, "task")
        elif isinstance(event, PhaseStarted | PhaseEnded):
            ends = isinstance(event, PhaseEnded)
            self._moment(when, f"{'end' if ends else 'begin'} of {event.phase}")
            if when == "after":
                self._phase = f"after {event.phase}" if ends else str(event.phase)

    def _moment(self, when: str, what: str) -> None:
        with self._guard:
            key = (self._phase, f"{when} {what}")
            self._counts[key] += 1
            if what in POLLING and self._counts[key] > 1:
                return
            name = f"{self._phase}: {when} {what} {self._counts[key]}"
            os.write(self._log, f"{name}\n".encode())
            if name == self._dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # not one step further, however late the signal comes


def _calls() -> dict[CodeType, str]:
    """Return the names of the Python functions that are looked at, by their code."""
    ports = [(CloudProvider, registry.cloud_class(name)) for name in registry.CLOUDS]
    ports.append((SetupProvider, SetupPort))
    verbs = {
        getattr(adapter, verb).__code__: verb
        for port, adapter in ports
        for verb, attribute in vars(port).items()
        if not verb.startswith("_") and callable(attribute)
    }
    others = (Run.tell, Session.request, subprocess.Popen.__init__)
    return verbs | {other.__code__: "start of a program" for other in others}


def _is_of_botocore(code: CodeType) -> bool:
    """Return whether a function is the one that sends requests to AWS; found by name, not to import it."""
    return code.co_name == "make_request" and code.co_filename.endswith("botocore/endpoint.py")


def _place(url: str) -> str:
    """Return what a request is about, without the ids that differ from run to run."""
    return _NAMED_RE.sub("*", _VERSION_RE.sub("", url))


if __name__ == "__main__":
    given_log, point, *arguments = sys.argv[1:]
    sys.argv = ["elasticluster", *arguments]
    Observer(given_log, point).watch()
    main()
