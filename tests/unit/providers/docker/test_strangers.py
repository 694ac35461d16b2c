"""Containers that a record names, and that are not the cluster's: a record may come from anybody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from elasticluster.model import ClusterRecord, ComponentRef, ImageRequest, NodeRecord, NodeSpec, Tags
from elasticluster.providers.docker import DockerProvider
from elasticluster.providers.docker.labels import PREFIX

OURS, THEIRS = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
CONTAINERS = {
    "0123456789ab": {f"{PREFIX}uuid": OURS},
    "fedcba987654": {f"{PREFIX}uuid": THEIRS},
    "another-cluster": {f"{PREFIX}uuid": THEIRS},
    "no-node-at-all": {"com.example": "database"},
    "unlabelled": None,
}
STRANGERS = ("another-cluster", "no-node-at-all", "unlabelled")
SPEC = NodeSpec(kind="compute", image_id="debian-13", image_user="debian", flavor="1cpu-1ram")
CLUSTER = ClusterRecord(
    uuid=OURS,
    name="slurm",
    template="slurm",
    cloud=ComponentRef(type="docker"),
    setup=ComponentRef(type="ansible"),
    kinds=("compute",),
    nodes=tuple(
        NodeRecord(name=f"n-{one}", spec=SPEC, instance_id=one)
        for one in ("0123456789ab", *STRANGERS, "gone")
    ),
)


class Changes(list[str]):
    """What an engine was asked to change, one line each."""


class _Handler(BaseHTTPRequestHandler):
    changes = Changes()

    def do_GET(self) -> None:
        _, *parts = self.path.split("/")
        if parts == ["version"]:
            self._answer(200, {"ApiVersion": "1.41"})
        elif parts[2] in CONTAINERS:
            labels = CONTAINERS[parts[2]]
            self._answer(200, {"State": {"Paused": False}, "Config": {"Labels": labels}})
        else:
            self._answer(404, {"message": "No such container"})

    def _change(self) -> None:
        self.changes.append(f"{self.command} {self.path.partition('?')[0].partition('/containers/')[2]}")
        self._answer(204 if "/gone" not in self.path else 404, {"message": "No such container"})

    def do_POST(self) -> None:
        self._change()

    def do_DELETE(self) -> None:
        self._change()

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode() if status != 204 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def provider(tmp_path: Path, changes: Changes) -> Iterator[DockerProvider]:
    """Return a provider that was told of the cluster, on an engine with some containers."""
    handler = type("Handler", (_Handler,), {"changes": changes})
    with ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        made = DockerProvider(docker_host=f"unix://{tmp_path}/engine.sock")
        made.adopt(CLUSTER)
        yield made
        server.shutdown()


@pytest.mark.parametrize(
    ("verb", "change"),
    [
        ("stop", "DELETE 0123456789ab"),
        ("pause", "POST 0123456789ab/stop"),
        ("resume", "POST 0123456789ab/start"),
    ],
)
def test_containers_that_are_not_of_the_cluster_are_left_alone(
    provider: DockerProvider, changes: Changes, verb: str, change: str
) -> None:
    errors = getattr(provider, f"{verb}_instances")(["0123456789ab", *STRANGERS])
    assert changes == [change]
    assert {one: str(error) for one, error in errors.items()} == {
        one: f"The container '{one}' is left alone: it is no node of this cluster.\n"
        f"`docker inspect {one}` says what it is."
        for one in STRANGERS
    }


def test_container_of_another_cluster_becomes_no_image(provider: DockerProvider, changes: Changes) -> None:
    tags = Tags(uuid=OURS, name="slurm", template="slurm", owner="", created="")
    request = ImageRequest(instance_id="another-cluster", key="k", tags=tags)
    assert set(provider.capture_instances([request])) == {"another-cluster"}
    assert changes == []


def test_container_that_is_gone_counts_as_stopped(provider: DockerProvider) -> None:
    assert provider.stop_instances(["gone"]) == {}


def test_container_that_only_its_label_tells_of_is_removed(
    provider: DockerProvider, changes: Changes
) -> None:
    assert provider.stop_instances(["fedcba987654"]) == {}
    assert changes == ["DELETE fedcba987654"]
