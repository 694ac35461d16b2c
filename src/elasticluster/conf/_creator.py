"""Makes clusters, providers and repositories as a configuration says."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from elasticluster.conf.clouds import place_of, secret_names, stored_form, with_secrets
from elasticluster.config.default import DEFAULT_PATH, deploy_default
from elasticluster.exceptions import ClusterConflict, ClusterNotFound, ConfigurationError, UsageError

if TYPE_CHECKING:
    from elasticluster.cluster import Cluster
    from elasticluster.config.differences import Difference
    from elasticluster.config.problems import Problem
    from elasticluster.config.tables import SetupTable, Vocabulary
    from elasticluster.config.templates import Configuration, Template, TemplateSummary
    from elasticluster.model import ComponentRef, NodeSpec
    from elasticluster.providers import AbstractCloudProvider, AbstractSetupProvider
    from elasticluster.repository import MultiDiskRepository, SqlRepository

log = logging.getLogger("elasticluster")

_T = TypeVar("_T")

ConfigFiles: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]]"
"""Paths of configuration files: one or several."""

DEFAULT_STORAGE_PATH = "~/.elasticluster/storage"
DEFAULT_STORAGE_TYPE = "json"

_PLAYBOOKS = ("playbook_path", "before", "after")


def make_creator(configfiles: ConfigFiles, storage_path: str | None = None) -> Creator:
    """Read configuration files and return what makes clusters and providers of them.

    Args:
        configfiles: one path or several; later files win, and with each ``PATH`` its ``PATH.d/*.conf``.
        storage_path: folder in which clusters are remembered; the configuration's, or the usual one, if None.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    paths = [configfiles] if isinstance(configfiles, (str, PathLike)) else list(configfiles)
    return Creator(lambda: _read([fspath(path) for path in paths]), storage_path)


def open_creator(config: str | None, storage_path: str | None, say: Callable[[str], None]) -> Creator:
    """Return a creator for the command line; a new user gets the default configuration file.

    Args:
        config: path given by the user; the usual one if None.
        storage_path: path given by the user; the configuration's, or the usual one, if None.
        say: told that a file was written.
    """
    if config is None and deploy_default():
        say(f"Deploying default configuration file to {Path(DEFAULT_PATH).expanduser()}")
    return Creator(lambda: _read([config or DEFAULT_PATH]), storage_path)


def _read(paths: Sequence[str]) -> Configuration:
    from elasticluster.config.templates import Configuration

    return Configuration.read(*paths, **vocabulary())


def vocabulary() -> dict[str, Any]:
    """Return what the configuration has to know of providers: their keys, groups and variables.

    Nothing is loaded before it is asked for: `list` gets along without.
    """
    clouds = _Tables(lambda: _registry().cloud_names(), lambda name: _registry().cloud_tables(name))
    return {"providers": clouds, "setups": _Tables(lambda: _registry().setup_names(), _setup_table)}


def _registry() -> ModuleType:
    from elasticluster.providers import registry

    return registry


def _setup_table(name: str) -> SetupTable | None:
    from elasticluster.config.tables import SetupTable

    keys = _registry().setup_keys(name)
    return None if keys is None else SetupTable(keys, _ansible_vocabulary if name == "ansible" else None)


def _ansible_vocabulary(values: Mapping[str, Any]) -> Vocabulary:
    """Return what knows the groups and variables of a setup section with these keys."""
    from elasticluster.setup.settings import Settings, own_playbook
    from elasticluster.setup.vocabulary import Vocabulary

    playbook, before, after = (own_playbook(values.get(key, "")) for key in _PLAYBOOKS)
    return Vocabulary(Settings(groups={}, playbook=playbook, before=before, after=after))


class _Tables(Mapping[str, _T]):
    """Tables of all providers of a sort; a provider's module is imported when its table is looked at.

    Args:
        names: names of those that are installed; asked for once, as all packages have to be looked at.
        table: the table of one of them, or of a class by its import path ``package.module:Class``.
    """

    def __init__(self, names: Callable[[], list[str]], table: Callable[[str], _T]) -> None:
        self._find = names
        self._table = cache(table)

    @cached_property
    def _names(self) -> list[str]:
        return self._find()

    def __getitem__(self, name: str) -> _T:
        if ":" not in name and name not in self._names:
            raise KeyError(name)
        return self._table(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Creator:
    """Makes clusters, providers and repositories as a configuration says.

    Args:
        conf: a dictionary as :func:`load_config_files` makes it, or what reads the configuration when it is
            first needed.
        storage_path: folder in which clusters are remembered; the configuration's, or the usual one, if None.
        storage_type: how new clusters are written: ``json``, ``yaml`` or ``pickle``; the configuration's,
            or the usual one, if None.
    """

    DEFAULT_STORAGE_PATH = DEFAULT_STORAGE_PATH
    DEFAULT_STORAGE_TYPE = DEFAULT_STORAGE_TYPE

    def __init__(
        self,
        conf: Mapping[str, Any] | Callable[[], Configuration],
        storage_path: str | None = None,
        storage_type: str | None = None,
    ) -> None:
        self._conf = conf
        self._storage_path = storage_path
        self._storage_type = storage_type
        self._warned: set[Problem] = set()

    @cached_property
    def configuration(self) -> Configuration:
        """What the configuration files, or the dictionary, say.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        if callable(self._conf):
            return self._conf()
        from elasticluster.conf._dictionary import from_dictionary

        return from_dictionary(self._conf, **vocabulary())

    @cached_property
    def cluster_conf(self) -> dict[str, Any]:
        """All templates as a dictionary, checked, with values by their types.

        ``{TEMPLATE: {"setup": {…}, "cloud": {…}, "login": {…}, "cluster": {…}, "nodes": {KIND: {…}}}}``

        Raises:
            ConfigurationError: something is wrong in a template; all problems are named.
        """
        from elasticluster.conf._dictionary import to_dictionary

        return to_dictionary(self.configuration)

    @property
    def storage_path(self) -> str:
        """Folder in which clusters are remembered."""
        if self._storage_path:
            return self._storage_path
        storage = self.configuration.storage()
        for warning in storage.warnings:
            self._warn(warning)
        return storage.path or DEFAULT_STORAGE_PATH

    def create_repository(self) -> MultiDiskRepository | SqlRepository:
        """Return where clusters are remembered: a folder, or a database if the storage path is its URL.

        New clusters in a folder are written in the configuration's format.

        Raises:
            ConfigurationError: there is no such kind of database, or what it needs is not installed.
        """
        from elasticluster.config.values import is_database
        from elasticluster.repository import MultiDiskRepository, SqlRepository

        try:
            in_database = is_database(self.storage_path)
        except ValueError as exc:
            raise ConfigurationError(f"Clusters cannot be stored there: {exc}.") from exc
        if in_database:
            return SqlRepository(self.storage_path)
        return MultiDiskRepository(
            self.storage_path,
            lambda: self._storage_type or self.configuration.storage().type or DEFAULT_STORAGE_TYPE,
        )

    def list_templates(self, patterns: Collection[str] = ()) -> list[TemplateSummary]:
        """Return the templates whose name matches any of the patterns, or all of them if there are none."""
        return [
            summary
            for summary in self.configuration.summaries()
            if not patterns or any(fnmatch.fnmatchcase(summary.name, pattern) for pattern in patterns)
        ]

    def create_cloud_provider(self, cluster_template: str) -> AbstractCloudProvider:
        """Return the cloud provider that a template names.

        Raises:
            ConfigurationError: the template does not exist or is wrong.
        """
        from elasticluster.providers.registry import cloud_provider

        return cloud_provider(self._usable(cluster_template).cloud)

    def cloud_providers(self) -> list[AbstractCloudProvider]:
        """Return access to all clouds of the configuration that this version can use.

        A section with something wrong in it is told as a warning, and left out.
        """
        from elasticluster.providers.registry import cloud_provider

        found = []
        for name in self.configuration.usable_cloud_names():
            try:
                found.append(cloud_provider(self.configuration.cloud(name)))
            except ConfigurationError as error:
                log.warning("%s", error)
        return found

    def create_setup_provider(self, cluster_template: str, name: str | None = None) -> AbstractSetupProvider:
        """Return the setup provider that a template names; `name` of the cluster makes no difference to it.

        Raises:
            ConfigurationError: the template does not exist or is wrong.
        """
        from elasticluster.providers.registry import setup_provider

        return setup_provider(self._usable(cluster_template).setup)

    def create_cluster(
        self,
        template: str,
        name: str | None = None,
        cloud: AbstractCloudProvider | None = None,
        setup: AbstractSetupProvider | None = None,
        *,
        counts: Mapping[str, int] | None = None,
    ) -> Cluster:
        """Return a new cluster of a template, with its nodes; nothing is started or stored.

        Args:
            template: name of a ``[cluster/NAME]`` section.
            name: name of the cluster; the template's if None.
            cloud: cloud provider to use instead of the template's.
            setup: setup provider to use instead of the template's.
            counts: numbers of nodes instead of the template's, by kind.

        Raises:
            ConfigurationError: the template does not exist or is wrong.
            UsageError: `counts` names a kind that the template has not.
        """
        from elasticluster.cluster import Cluster

        wanted = self._usable(template).with_counts(counts or {})
        cluster = Cluster(
            name or template,
            repository=self.create_repository(),
            start_timeout=wanted.start_timeout,
            template=template,
            ssh_to=wanted.ssh_to,
            **wanted.extra,
        )
        stored = stored_form(wanted.cloud)
        cluster.describe(cloud=stored, setup=wanted.setup, login=wanted.login, access=wanted.cloud)
        cluster.update_config({"start_failure": wanted.start_failure})
        for kind, nodes in wanted.kinds.items():
            cluster.nodes[kind] = []
            cluster.add_specified(nodes.spec, nodes.count, nodes.min_count)
        if cloud is not None:
            cluster.cloud_provider = cloud
        if setup is not None:
            cluster.setup_provider = setup
        return cluster

    def node_specs(self, template: str) -> dict[str, NodeSpec]:
        """Return what a template says of the nodes of each kind, in its order, also of kinds without nodes.

        Raises:
            ConfigurationError: the template does not exist or is wrong.
        """
        return {kind: nodes.spec for kind, nodes in self._usable(template).kinds.items()}

    def specs_to_grow(
        self, cluster: Cluster, kinds: Collection[str], template: str | None = None
    ) -> dict[str, NodeSpec]:
        """Return what further nodes of a cluster are to be made of, by kind.

        Args:
            cluster: the cluster.
            kinds: the kinds of nodes that it is to get more of.
            template: name of the template that describes them; None: they are like the newest node of their
                kind, or, where there is none to copy, as the cluster's own template says.

        Raises:
            ConfigurationError: a template does not exist or is wrong.
            ClusterConflict: `template` is for another cloud than the cluster's.
            UsageError: a template says nothing of such nodes.
        """
        if template:
            wanted = self._usable(template)
            _refuse_foreign(cluster, wanted)
            return _specs_of(wanted, kinds)
        newest = {kind: nodes[-1].record.spec for kind, nodes in cluster.nodes.items() if nodes}
        copied = {kind: newest[kind] for kind in kinds if kind in newest and newest[kind].image_id}
        others = [kind for kind in kinds if kind not in copied]
        return copied | (self._own_specs(cluster, others) if others else {})

    def _own_specs(self, cluster: Cluster, kinds: Collection[str]) -> dict[str, NodeSpec]:
        """Return what a cluster's own template says of nodes of which there are none to copy."""
        name = cluster.template
        own = self._usable(name) if name in self.configuration.template_names() else None
        if own is None or not own.kinds.keys() >= set(kinds):
            says = "says nothing of such nodes" if own else "is not in the configuration"
            raise UsageError(
                f"Cluster '{cluster.name}' has no node of kind {', '.join(map(repr, kinds))} to make others "
                f"like, and its template '{name}' {says}.",
                hint="Name a template that describes them with `--template`.",
            )
        return _specs_of(own, kinds)

    def load_cluster(self, cluster_name: str) -> Cluster:
        """Return a stored cluster; one without providers gets those of its template.

        Secrets of its cloud that are not stored with it are taken from the cloud's section.

        Raises:
            ClusterNotFound: there is none; the message lists those there are.
            StateError: what is stored cannot be read.
        """
        repository = self.create_repository()
        try:
            cluster = repository.get(cluster_name)
        except ClusterNotFound as error:
            names = repository.names()
            hint = f"Clusters: {', '.join(names)}." if names else "No clusters were started yet."
            raise ClusterNotFound(f"There is no cluster '{cluster_name}'.", hint=hint) from error
        record = cluster.record
        if not record.cloud.type:
            self._supply(cluster)
        elif record.cloud.section:
            with contextlib.suppress(ConfigurationError):  # without secrets it can still be looked at
                access = with_secrets(record.cloud, self.configuration)
                cluster.describe(cloud=record.cloud, setup=record.setup, login=record.login, access=access)
        return cluster

    def _supply(self, cluster: Cluster) -> None:
        """Complete a cluster of the original ElastiCluster, which stored no providers.

        They come from its template; without it the cluster can still be looked at. Its host keys were kept
        by address only, and OpenSSH is told to look for names.
        """
        _name_hosts(cluster)
        try:
            self.update(cluster)
        except ConfigurationError as error:
            log.warning("Cluster '%s' has no cloud provider: %s", cluster.name, error)

    def update(self, cluster: Cluster) -> tuple[Difference, ...]:
        """Let a stored cluster know those values of its template that are safe to change meanwhile.

        Returns:
            where the cluster differed from its template, also where it still does; nothing if there is no
            such template any more.

        Raises:
            ClusterConflict: the template is for another cloud now, and the cluster has machines on the old.
            ConfigurationError: something is wrong in the template.
        """
        from elasticluster.config.differences import differences, least_numbers

        if cluster.template not in self.configuration.template_names():
            return ()
        template = self._usable(cluster.template)
        _refuse_another_cloud(cluster, template.cloud)
        hidden = {*secret_names(template.cloud), *self.configuration.secret_names(template.name)}
        found = differences(cluster.record, template, hidden)
        least = least_numbers(cluster.record, template)
        stored, login = stored_form(template.cloud), cluster.record.login
        cluster.describe(cloud=stored, setup=template.setup, login=login, access=template.cloud)
        cluster.update_config(
            {
                "ssh_to": template.ssh_to,
                "start_timeout": template.start_timeout,
                "start_failure": template.start_failure,
                "ssh_proxy_command": template.login.proxy_command,
                "ssh_probe_timeout": template.login.probe_timeout,
                "min_nodes": least,
            }
        )
        return found

    def _usable(self, name: str) -> Template:
        template = self.configuration.template(name)
        if not template.cloud_available:
            raise ConfigurationError(
                f"Template '{name}' is for the cloud provider '{template.cloud.type}', "
                "which this version does not have yet.",
                hint="Use a cloud section with `provider=docker`, `ec2_boto` or `openstack`.",
            )
        for warning in template.warnings:
            self._warn(warning)
        return template

    def _warn(self, warning: Problem) -> None:
        """Log a warning, once; of variables without effect users are told by the setup itself."""
        if warning not in self._warned and "_var_" not in warning.key:
            self._warned.add(warning)
            log.warning("%s", warning)


def _specs_of(template: Template, kinds: Collection[str]) -> dict[str, NodeSpec]:
    counted = template.with_counts(dict.fromkeys(kinds, 0))  # says which kinds there are
    return {kind: counted.kinds[kind].spec for kind in kinds}


def _refuse_foreign(cluster: Cluster, template: Template) -> None:
    """Images and flavors of one cloud mean nothing on another."""
    if place_of(cluster.record.cloud) != place_of(template.cloud):
        raise ClusterConflict(
            f"Cluster '{cluster.name}' is on cloud '{cluster.record.cloud.section}', "
            f"but template '{template.name}' is for another one: '{template.cloud.section}'.",
            hint="Name a template for the same cloud.",
        )


def _name_hosts(cluster: Cluster) -> None:
    """Write the known hosts anew if some node is not in them by its name."""
    from elasticluster.ssh.hostkeys import read_known_hosts, write_known_hosts

    pinned = [node.name for node in cluster.record.nodes if node.host_keys]
    path = cluster.known_hosts_file
    known = read_known_hosts(path) if Path(path).exists() else {}
    if not known.keys() >= set(pinned):
        write_known_hosts(cluster.record, path)


def _refuse_another_cloud(cluster: Cluster, cloud: ComponentRef) -> None:
    """Machines on a cloud that nobody looks at any more would be lost, and be paid for."""
    record = cluster.record
    if not record.cloud.type or not any(node.instance_id or node.batch for node in record.nodes):
        return
    there, here = place_of(record.cloud), place_of(cloud)
    if there != here:
        changed = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        raise ClusterConflict(
            f"Cluster '{cluster.name}' has machines on cloud '{record.cloud.section}' "
            f"({_place(there, changed)}), but its template '{cluster.template}' is for another one now: "
            f"'{cloud.section}' ({_place(here, changed)}).",
            hint="Let the template say the old one until the cluster was stopped, or use another template.",
        )


def _place(place: Mapping[str, object], names: Iterable[str]) -> str:
    from elasticluster.config.masking import presentable

    return ", ".join(f"{name}={presentable(name, str(place.get(name) or ''))}" for name in names)
