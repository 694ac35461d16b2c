"""EC2 on loopback: moto's server behind a layer of ours that adds what it lacks, and faults."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from elasticluster.engine.children import child

ROOT = Path(__file__).parents[3]
DEBIAN = "ami-0debdebdebdeb0013"
"""An image that there is; see ``images.json`` for the others. Its description is the user that it lets in."""


@dataclass
class Ec2Server:
    """The server's process, and what a test says to it.

    Attributes:
        region: the region that it is.
        access_key: id of the only access key that it lets in.
        secret_key: that key.
        public: public addresses that it hands out, CIDR; by default some that nobody on earth has (RFC 5737).
        written: what instances have on their consoles of which nobody said it.
        vpc: addresses of the default network, CIDR of 16 bits; empty: as on EC2.
        url: address of the service.
    """

    region: str = "us-east-1"
    access_key: str = "AKIAIOSFODNN7EXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - the documents' example
    public: str = "203.0.113.0/24"
    vpc: str = ""
    written: str = ""
    url: str = ""
    _control: int = field(init=False, default=0, repr=False)
    _stack: ExitStack = field(init=False, default_factory=ExitStack, repr=False)

    def __enter__(self) -> Self:
        options = {
            "public": self.public,
            "vpc": self.vpc,
            "console": self.written,
            "region": self.region,
            "keys": {self.access_key: self.secret_key},
        }
        command = [sys.executable, "-m", "tests.clouds.ec2.serve", json.dumps(options)]
        server = self._stack.enter_context(
            child(command, cwd=ROOT, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert server.stdout is not None
        ports = server.stdout.readline().split()
        if len(ports) != 2:
            self._stack.close()
            raise ChildProcessError("the EC2 server does not come up; what it said is on standard error")
        port, control = ports
        self.url, self._control = f"http://127.0.0.1:{int(port)}", int(control)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def set(self, **settings: Any) -> None:
        """Change how the cloud behaves; see :class:`tests.clouds.ec2.cloud.Settings`."""
        self._say("set", **settings)

    def inject(
        self,
        action: str,
        code: str = "",
        message: str = "injected",
        status: int = 400,
        times: int = 1,
        **more: float,
    ) -> None:
        """Let calls of an action go wrong; see :class:`tests.clouds.ec2.faults.Fault`.

        Args:
            action: name of the action; ``*``: any.
            code: EC2's error code; empty with ``drop_reply``.
            message: its message.
            status: HTTP's status.
            times: how often.
            **more: ``every``: always; ``drop_reply``: the work is done, and nobody says so; ``then_down``:
                it is done, and nothing answers for so many seconds.
        """
        self._say("inject", action=action, code=code, message=message, status=status, times=times, **more)

    def mend(self) -> None:
        """Take back all that was injected."""
        self._say("mend")

    def calls(self) -> list[str]:
        """Return the actions of all calls up to now."""
        return list(self._say("calls"))

    def forget_calls(self) -> None:
        """Count from here."""
        self._say("forget_calls")

    def reset(self) -> None:
        """Forget everything: machines, settings, faults, calls."""
        self._say("reset")

    def machines(self) -> list[dict[str, Any]]:
        """Return what a machine needs to be a given instance, for all that are not gone."""
        return list(self._say("machines"))

    def console(self, instance_id: str, text: str) -> None:
        """Let an instance have written a text to its console."""
        self._say("console", instance_id=instance_id, text=text)

    def skip(self, seconds: float) -> None:
        """Let time pass on the cloud at once: machines boot, buckets fill."""
        self._say("skip", seconds=seconds)

    def down(self, seconds: float) -> None:
        """Refuse all connections for a while."""
        self._say("down", seconds=seconds)

    def client(self, service: str = "ec2", **credentials: str) -> Any:
        """Return a client of the SDK that takes an error for an error."""
        import boto3
        from botocore.config import Config

        given = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.url,
            region_name=self.region,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60),
            **(given | credentials),
        )

    def _say(self, method: str, **arguments: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=60)
        try:
            connection.request("POST", f"/{method}", json.dumps(arguments))
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(text)
        return json.loads(text)


def _environment() -> Mapping[str, str]:
    """Return the environment without what users keep for the SDK."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EC2_", "MOTO_"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
