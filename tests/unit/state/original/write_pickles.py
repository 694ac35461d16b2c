"""Write pickles as the original's: objects of its classes, which exist here as shells, in each protocol.

Usage: write_pickles.py FOLDER. The modules that the pickles name are made up in this process only.
"""

import collections
import pickle
import sys
import types
from pathlib import Path


def module(name):
    made = types.ModuleType(name)
    sys.modules[name] = made
    return made


def shell(where, name, base=object, **members):
    made = type(name, (base,), {"__module__": where.__name__, **members})
    setattr(where, name, made)
    return made


for package in ("elasticluster", "elasticluster.providers", "gc3"):
    module(package)
CLUSTER = module("elasticluster.cluster")
Cluster = shell(CLUSTER, "Cluster")
Node = shell(CLUSTER, "Node")
NodeNamingPolicy = shell(CLUSTER, "NodeNamingPolicy")
Struct = shell(module("elasticluster.utils"), "Struct", dict)
Boto = shell(
    module("elasticluster.providers.ec2_boto"),
    "BotoCloudProvider",
    __getstate__=lambda self: {"_access_key": "SECRET"},
)
Repository = shell(module("gc3.elasticluster"), "PickleRepository")


def filled(kind, /, **attributes):
    made = kind()
    made.__dict__.update(attributes)
    return made


def node(cluster, name, cloud, **attributes):
    return filled(
        Node,
        name=name,
        cluster_name=cluster,
        kind="compute",
        image_user="gc3-user",
        flavor="m1.tiny",
        security_group="ssh",
        image_userdata=None,
        _cloud_provider=cloud,
        extra=Struct(login="gc3", boot_disk_size=10),
        **attributes,
    )


def cluster(name):
    """Return a cluster as of 2013, with the names of attributes of that time."""
    cloud = Boto()
    naming = filled(
        NodeNamingPolicy, _free=collections.defaultdict(set), _top=collections.defaultdict(int, compute=2)
    )
    made = filled(
        Cluster,
        name=name,
        template="old",
        ssh_to=None,
        extra=collections.OrderedDict(availability="x"),
        paused_nodes={},
        start_timeout=600,
        _cloud_provider=cloud,
        _naming_policy=naming,
        _user_key_name="gc3",
        _user_key_public="/home/me/.ssh/id_dsa.pub",
        _user_key_private="/home/me/.ssh/id_dsa",
        repository=filled(Repository, storage_path="/home/me/.elasticluster/storage"),
    )
    made.nodes = {
        "compute": [
            node(
                name,
                "compute001",
                cloud,
                instance_id="i-0001",
                ip_public="198.51.100.1",
                ip_private="10.1.0.1",
                image="ami-1",
            ),
            node(
                name,
                "compute002",
                cloud,
                instance_id="i-0002",
                ips=["198.51.100.2"],
                preferred_ip=None,
                image_id="ami-1",
            ),
            node(name, "compute003", cloud, instance_id=None, ips=[], preferred_ip=None, image_id="ami-1"),
        ]
    }
    made.repository.cluster = made  # a ring, as objects of a program make them
    return made


for protocol in (0, 1, 2, 4):
    name = f"old{protocol}"
    data = pickle.dumps(cluster(name), protocol=protocol)
    if protocol < 3:
        data = data.replace(b"builtins\n", b"__builtin__\n").replace(b"copyreg\n", b"copy_reg\n")
    Path(sys.argv[1], f"{name}.pickle").write_bytes(data)
