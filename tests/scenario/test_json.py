"""What commands print with `--json` is as the published schemas say."""

import argparse
import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from elasticluster.cli import bake, gc
from elasticluster.cli.app import build_parser
from elasticluster.cli.data import cluster_data, node_data, status_data
from elasticluster.engine.bake import Kept
from elasticluster.engine.orphans import Orphan
from elasticluster.engine.scheduler import Partition, Scheduler, Worker
from elasticluster.engine.status import look
from elasticluster.exceptions import CloudProviderError
from elasticluster.model import ComponentRef, Failure, Layer, NodeState, PreparedImage, Resource, Tags
from elasticluster.orphans import Found

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(files("elasticluster").joinpath("schemas").iterdir(), key=lambda path: path.name)
}
TRACE = """\
{"version": 1, "action": "start", "started": 1700000000.0}
{"phase": "preflight", "nodes": 1, "at": 0.5}
{"node": "compute001", "phase": "create", "at": 1.5, "failed": false}
"""


def check(name, data):
    """Check data against a published schema; its keys have to be all there, and no others."""
    Draft202012Validator(SCHEMAS[name]).validate(data)


def objects(schema):
    """Every schema of an object with given keys that is within a schema."""
    if isinstance(schema, dict):
        found = [schema] if "properties" in schema else []
        return found + [one for value in schema.values() for one in objects(value)]
    return [one for value in schema for one in objects(value)] if isinstance(schema, list) else []


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_one_and_describes_every_key(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:elasticluster:{name}"
    for one in objects(schema):
        assert one["additionalProperties"] is False
        assert set(one["required"]) | {"timings"} >= set(one["properties"])
        assert [key for key, value in one["properties"].items() if "description" not in value] == []


def test_every_command_that_prints_json_has_a_schema():
    parser, commands = build_parser(argparse.Namespace())
    (subparsers,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    options = {name: subparsers.choices[name].format_help().split() for name in commands}
    with_json = {name for name, words in options.items() if {"--json", "--json,"}.intersection(words)}
    assert {"list", "list-nodes", "list-templates", "status"} <= with_json
    named = {schema["title"].split()[1] for schema in SCHEMAS.values()}
    assert named == with_json


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("list", ["list", "--json"]),
        ("list-nodes", ["list-nodes", "slurm", "--json"]),
        ("list-nodes", ["list-nodes", "slurm", "--pretty-json"]),
        ("list-nodes", ["list-nodes", "slurm", "--json", "--timings"]),
        ("list-templates", ["list-templates", "--json"]),
        ("status", ["status", "slurm", "--json"]),
        ("config-check", ["config", "check", "--json"]),
        ("config-show", ["config", "show", "slurm", "--json"]),
        ("config-playbooks", ["config", "playbooks", "--json"]),
    ],
)
def test_output_is_as_its_schema_says(run, stored, home, name, command):
    stored()
    (home / ".elasticluster/storage/slurm.trace.jsonl").write_text(TRACE)
    data = json.loads(run(*command).stdout)
    check(name, data)
    assert data


def test_problems_of_a_configuration_are_as_the_schema_says(run, home):
    run("list")
    config = home / ".elasticluster/config"
    config.write_text(config.read_text() + "\n[cluster/broken]\ncloud=nowhere\ncompute_nodes=many\nx=1\n")
    data = json.loads(run("config", "check", "--json").stdout)
    check("config-check", data)
    assert data["problems"]


def test_timings_that_are_not_recorded_are_null(run, stored):
    stored()
    data = json.loads(run("list-nodes", "slurm", "--json", "--timings").stdout)
    check("list-nodes", data)
    assert data["timings"] is None


def test_clusters_and_nodes_of_every_state_are_as_the_schemas_say(world, cluster):
    world.network.deaf["compute001"] = Failure(layer=Layer.REFUSED, message="nobody listens")
    started = world.start(cluster).cluster
    check("list", [cluster_data(cluster), cluster_data(started), cluster_data(world.pause(started))])
    nodes = [node_data(node) for one in (cluster, started) for node in one.nodes]
    check("list-nodes", cluster_data(started) | {"nodes": nodes})
    states = SCHEMAS["list-nodes"]["properties"]["nodes"]["items"]["properties"]["state"]["enum"]
    assert states == [str(state) for state in NodeState]


def test_status_of_healthy_and_ill_clusters_is_as_the_schema_says(world, cluster):
    started = world.start(cluster).cluster
    workers = {"compute001": Worker(state="down", usable=False, reason="why")}
    partitions = (Partition(name="main", state="up", running=1, pending=2),)
    world.setup.scheduler = lambda *_: Scheduler(name="x", workers=workers, partitions=partitions)
    check("status", status_data(look(started, world.tools)))
    world.setup.scheduler = lambda *_: Scheduler(name="x", error="it is away")
    world.network.deaf["compute001"] = Failure(layer=Layer.REFUSED, message="nobody listens")
    world.cloud.halt(started.node("compute002").instance_id)
    check("status", status_data(look(started, world.tools)))
    world.cloud.stop_instances([node.instance_id for node in started.nodes])
    check("status", status_data(look(started, world.tools)))
    world.cloud.outage = CloudProviderError("away")
    check("status", status_data(look(started, world.tools)))


@pytest.mark.parametrize("left", [None, "", "network: in use"])
def test_leftovers_are_as_the_schema_says(left):
    tags = Tags(uuid="u", name="slurm", template="slurm", owner="me@here/1", created="")
    orphan = Orphan(tags=tags, resources=(Resource(type="network", id="n", tags=tags),))
    ref = ComponentRef(type="docker")
    found = Found(cloud="local", ref=ref, ours=True, orphan=orphan, provider=None)
    check("gc", [gc._data(found, left)])


@pytest.mark.parametrize("kinds", [(), ("frontend", "compute")])
def test_images_are_as_the_schema_says(kinds):
    tags = Tags(uuid="u", name="bake-slurm", template="slurm", owner="me@here/1", created="2025-11-21")
    image = PreparedImage(id="sha256:1", key="k", tags=tags, size=1000)
    check("bake", json.loads(json.dumps([bake._data(Kept(image=image, kinds=kinds))])))


def test_lists_of_nothing_are_lists(run):
    for command in (["list", "--json"], ["list-templates", "--json", "no-such-template"]):
        assert json.loads(run(*command).stdout) == []
