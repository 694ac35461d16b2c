"""The process of the test cloud: EC2 on one port, what tests say to it on another.

``python -m tests.clouds.ec2.serve JSON`` prints a line with the two ports and serves until its standard input
ends: so it ends with whoever started it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ |= {
    "MOTO_AMIS_PATH": str(Path(__file__).with_name("images.json")),
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1",
    "MOTO_ENABLE_AMI_VALIDATION": "1",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "1",
    "MOTO_ALLOW_NONEXISTENT_REGION": "true",
    "AWS_EC2_METADATA_DISABLED": "true",
}

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from tests.clouds.ec2.cloud import Cloud
from tests.clouds.ec2.layer import Layer
from tests.clouds.ec2.messages import Application, Environ
from werkzeug.serving import BaseWSGIServer, make_server

HOST = "127.0.0.1"


class Listener:
    """A server on a port, which can be gone for a while."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._serve(0)

    @property
    def port(self) -> int:
        return self._port

    def down(self, seconds: float) -> None:
        """Refuse connections for a while."""
        self._server.shutdown()
        self._server.server_close()
        threading.Thread(target=self._come_back, args=(seconds,), daemon=True).start()

    def _come_back(self, seconds: float) -> None:
        time.sleep(seconds)
        self._serve(self._port)

    def _serve(self, port: int) -> None:
        self._server: BaseWSGIServer = make_server(HOST, port, self._application, threaded=True)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


class Control:
    """What tests say: ``POST /METHOD`` with arguments as JSON; the answer is JSON, too."""

    def __init__(self, cloud: Cloud, layer: Layer, region: str) -> None:
        self._cloud = cloud
        self._layer = layer
        self._region = region
        self.listener: Listener | None = None

    def set(self, **settings: Any) -> None:
        self._layer.set(**settings)

    def inject(self, **fault: Any) -> None:
        self._layer.faults.inject(**fault)

    def mend(self) -> None:
        self._layer.faults.clear()

    def calls(self) -> list[str]:
        return [*self._layer.calls]

    def forget_calls(self) -> None:
        self._layer.calls.clear()

    def reset(self) -> None:
        self._layer.reset()

    def machines(self) -> list[dict[str, Any]]:
        return self._layer.machines(self._region)

    def console(self, instance_id: str, text: str) -> None:
        self._cloud.consoles[instance_id] = text

    def skip(self, seconds: float) -> None:
        self._cloud.skip(seconds)

    def down(self, seconds: float) -> None:
        assert self.listener is not None
        self.listener.down(seconds)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        arguments = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or "{}")
        try:
            said = getattr(self, environ["PATH_INFO"].strip("/"))(**arguments)
        except (AttributeError, TypeError) as error:
            start("400 Bad Request", [("Content-Type", "text/plain")])
            return [str(error).encode()]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]


def main(options: dict[str, Any]) -> None:
    """Serve until nobody is there any more."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    cloud = Cloud(options["public"], options["region"], options["vpc"], options["console"])
    layer = Layer(DomainDispatcherApplication(create_backend_app), cloud, options["keys"])
    cloud.backend(options["region"])  # the first use takes a moment
    control = Control(cloud, layer, options["region"])
    control.listener = Listener(layer)
    layer.go_down = control.down
    sys.stdout.write(f"{control.listener.port} {Listener(control).port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # threads may be in the middle of a call


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
