"""What a cluster does: start, configure, grow, shrink, pause, stop; each kept apart from other commands."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elasticluster.cluster._arguments import least_numbers_of, seconds_of, start_failure_of
from elasticluster.cluster._node import Node
from elasticluster.cluster._setup import SetupPort, clean_up
from elasticluster.cluster._sightings import Sightings
from elasticluster.cluster._view import ClusterView
from elasticluster.engine import bake as baking
from elasticluster.engine import execute, resize, trace
from elasticluster.engine import stop as ending
from elasticluster.engine.account import without_account
from elasticluster.engine.configure import StartOptions, setup_job
from elasticluster.engine.events import Listener
from elasticluster.engine.plan import StartPlan, StopPlan
from elasticluster.engine.resize import ShrinkOptions
from elasticluster.engine.run import Tools
from elasticluster.engine.status import Status, look
from elasticluster.exceptions import (
    ClusterConflict,
    ClusterError,
    ClusterNotFound,
    ClusterSizeError,
    StateError,
)
from elasticluster.model import (
    ClusterRecord,
    KeyPair,
    NodeRecord,
    NodeSpec,
    NodeState,
    Report,
    Verdict,
)

if TYPE_CHECKING:
    from elasticluster.engine.ports import ClusterStore, SetupJob
    from elasticluster.engine.timeline import Trace
    from elasticluster.repository import AbstractClusterRepository

_DEFAULT_INTERVAL = 10
_working: defaultdict[tuple[str, str], threading.RLock] = defaultdict(threading.RLock)
"""Held by the thread that works on a cluster, by place and name."""


class LivingCluster(ClusterView):
    """Everything that changes a cluster or its machines.

    Attributes:
        repository: where the cluster is remembered.
        report: how the last :meth:`start` or :meth:`setup` of this object ended; None before.
        listener: called with what happens meanwhile (:mod:`elasticluster.engine.events`).
    """

    polling_interval: float = _DEFAULT_INTERVAL
    """How often to ask a cloud for the state of nodes, in seconds; a provider may know better."""

    repository: AbstractClusterRepository
    listener: Listener
    report: Report | None
    _stored: ClusterRecord | None
    _sightings: Sightings

    def start(self, min_nodes: Mapping[str, int] | None = None, max_concurrent_requests: int = 0) -> None:
        """Make all machines and wait until each has let us in by SSH.

        Nodes that do not come up in time are marked as down. Nothing is destroyed, unless the cluster was
        made with ``start_failure="stop"``: if there are not enough nodes in the end, what this call made is
        destroyed again.

        Args:
            min_nodes: for each kind, the number of nodes to be content with; all of them if missing.
            max_concurrent_requests: create calls at the same time; 0: four for each processor, 1 or
                less: one machine after another.

        Raises:
            ClusterSizeError: fewer nodes than `min_nodes` came up.
            ConfigurationError: `min_nodes` asks for more nodes than there are.
            ElastiClusterError: nothing could be begun.
        """
        if min_nodes is not None:
            self._base = replace(self._base, min_nodes=least_numbers_of(min_nodes, self._counts))
        options = StartOptions(
            configure=False,
            stop_on_failure=self.start_failure == "stop",
            max_parallel=max_concurrent_requests,
        )
        report = self.bring_up(options)
        if report.verdict is Verdict.NOT_READY:
            raise ClusterSizeError(
                f"Cluster '{self.name}' is not ready: {report.error}.", hint=_reasons(report)
            )

    def bring_up(self, options: StartOptions) -> Report:
        """Start and, unless `options` say otherwise, configure; return one outcome a node."""
        self._refuse_what_cannot_be_stopped()
        paused = any(node.state is NodeState.PAUSED for node in self.record.nodes)
        with self._traced("resume" if paused else "start"):
            return self._take(execute.start(self.record, self._tools(), options))

    def setup(self, extra_args: Sequence[str] = ()) -> bool:
        """Configure the nodes and check that they work. Safe to repeat.

        Args:
            extra_args: further arguments for the configuration tool.

        Returns:
            whether enough nodes are usable now; :attr:`report` says more.
        """
        report = self.configure(StartOptions(extra_args=tuple(extra_args)))
        return report.verdict is not Verdict.NOT_READY

    def configure(self, options: StartOptions) -> Report:
        """Configure the nodes and check that they work; return one outcome a node."""
        with self._traced("setup"):
            return self._take(execute.setup(self.record, self._tools(), options))

    def grow(self, names: Collection[str], options: StartOptions) -> Report:
        """Make nodes that were added, and take them into the cluster's services; the others go on.

        Args:
            names: names of the new nodes.
            options: how.

        Returns:
            one outcome a node.

        Raises:
            ClusterError: the cluster is paused.
            ElastiClusterError: nothing could be begun; the nodes are not kept.
        """
        self._refuse_what_cannot_be_stopped()
        with self._traced("resize"):
            return self._take(resize.grow(self.record, self._tools(), names, options))

    def shrink(self, names: Collection[str], options: ShrinkOptions | None = None) -> None:
        """Take nodes out of the cluster's services, destroy their machines, and forget them.

        Raises:
            ClusterError: the cluster cannot do without one of them, or one is still there.
        """
        with self._traced("remove"):
            after = resize.shrink(self.record, self._tools(), names, options or ShrinkOptions())
            self._adopt(after)

    def choose(self, counts: Mapping[str, int], *, ask: bool = True) -> dict[str, str]:
        """Choose which nodes to remove, as :func:`elasticluster.engine.resize.choose` does.

        Returns:
            what each chosen node is at work on, by its name; empty if nothing.
        """
        with self._locked():
            if ask:
                self._adopt(resize.where(self.record, self._tools()))
            return resize.choose(self.record, self._tools(), counts, ask=ask)

    def check_growth(self) -> None:
        """Make sure that the cluster can grow now.

        Raises:
            ClusterError: it is paused.
        """
        resize.refuse_paused(self.record)

    def check_removal(self, names: Collection[str]) -> None:
        """Make sure that the cluster can do without some nodes; nobody is asked.

        Raises:
            ClusterError: it cannot; the message says why.
        """
        resize.refuse_essential(self.record, self._tools(), names)

    def at_work(self) -> Mapping[str, str]:
        """Return what nodes are at work on (``"job 17"``), by name; idle ones are left out.

        Raises:
            SetupProviderError: the cluster's services cannot be asked.
        """
        with self._locked():
            self._adopt(resize.where(self.record, self._tools()))
            return resize.at_work(self.record, self._tools())

    def stop(self, force: bool = False, wait: bool = False) -> None:  # noqa: FBT001, FBT002 - documented
        """Destroy all machines and what they shared, and forget the cluster.

        Args:
            force: forget it even if some machines could not be destroyed.
            wait: return only when the cloud does not list them any more.

        Raises:
            ClusterError: something may still exist; the cluster is kept unless `force`.
        """
        with self._locked():
            failures = ending.stop(self.record, self._tools(), force=force, wait=wait).failures
            if not failures or force:
                nodes = (_unmade(node.record) for node in self.get_all_nodes())
                self._adopt(without_account(replace(self.record, nodes=tuple(nodes), ready=False)))
                clean_up(self)
        if failures:
            kept = "It was forgotten all the same." if force else "The cluster is kept; try `stop` again."
            lines = "\n".join(f"  {name}: {reason}" for name, reason in failures.items())
            raise ClusterError(f"Cluster '{self.name}' could not be stopped completely:\n{lines}", hint=kept)

    def pause(self) -> None:
        """Stop all machines and keep their disks, so that :meth:`resume` can start them again.

        Raises:
            CloudProviderError: some machine may still run, or the cloud cannot do this.
        """
        self.pause_nodes([node.name for node in self.get_all_nodes()])

    def pause_nodes(self, names: Collection[str]) -> None:
        """Stop the machines of some nodes and keep their disks."""
        with self._traced("pause"):
            self._adopt(ending.pause(self.record, self._tools(), names))

    def resume(self) -> None:
        """Start paused machines again, and wait until they let us in; their addresses may be others.

        Raises:
            ClusterSizeError: too few nodes came up.
        """
        self.start()

    def bake(self, specs: Mapping[str, NodeSpec], *, force: bool = False) -> tuple[baking.Baked, ...]:
        """Make images for the nodes of this cluster's template; see :func:`elasticluster.images.bake`."""
        with self._locked():
            try:
                return baking.bake(self.record, self._tools(), specs, force=force)
            finally:
                clean_up(self)

    def images(self, specs: Mapping[str, NodeSpec]) -> tuple[baking.Kept, ...]:
        """Return the images for the nodes of this cluster's template; nobody is kept from changing them."""
        record = replace(self.record, owner=self.repository.owner)
        return baking.survey(record, self._tools(), specs)

    def status(self) -> Status:
        """Return how the cluster is at this moment: its machines, SSH, its scheduler and queues.

        Nothing is changed or stored, and nobody is kept from working on the cluster meanwhile.
        """
        return look(self.record, self._tools())

    def update(self) -> None:
        """Read the addresses of all nodes again, with one call."""
        with self._locked():
            self._adopt(execute.refresh(self.record, self._tools()))

    def launch(self, names: Collection[str]) -> None:
        """Make the machines of some nodes and do not wait for them."""
        self._refuse_what_cannot_be_stopped()
        with self._locked():
            self._adopt(execute.launch(self.record, self._tools(), names))

    def destroy(self, names: Collection[str], *, wait: bool = False) -> None:
        """Destroy the machines of some nodes; the nodes stay in the cluster."""
        with self._locked():
            self._adopt(ending.destroy(self.record, self._tools(), names, wait=wait))

    @property
    def seconds_between_looks(self) -> float:
        """Seconds between looks at machines: :attr:`polling_interval` if set, else as the provider likes."""
        chosen = self._chosen_interval
        return self.cloud_provider.polling_interval if chosen is None else chosen

    @property
    def _chosen_interval(self) -> float | None:
        chosen = "polling_interval" in vars(self) or self.polling_interval != _DEFAULT_INTERVAL
        return self.polling_interval if chosen else None

    def running_machines(self) -> frozenset[str]:
        """Return the ids of the machines that run, as the cloud has said at most one polling interval ago.

        One listing serves all nodes. Addresses that have changed are read again.
        """
        return self._sightings.running()

    def look_ahead(self, specs: Mapping[str, NodeSpec] | None = None) -> StartPlan:
        """Return what :meth:`bring_up` would do now with such `specs` in its options; changes nothing."""
        return execute.look_ahead(self.record, self._tools(), specs)

    def plan_to_stop(self) -> StopPlan:
        """Return what :meth:`stop` would destroy now; changes nothing."""
        return ending.plan_to_stop(self.record, self._tools())

    def key_pair(self) -> KeyPair:
        """Return the key pair to log in with: the one named, or the cluster's own."""
        return self._store.key_pair(self.record)

    def setup_job(self, extra_args: Sequence[str] = ()) -> SetupJob:
        """Return what a setup provider works on: the cluster with its keys, files and sizes."""
        options = StartOptions(extra_args=tuple(extra_args))
        return setup_job(self.record, self._tools(), options)

    def update_config(self, cluster_config: Mapping[str, Any]) -> None:
        """Take over those configuration values that are safe to change on a running cluster.

        They are ``ssh_to``, ``start_timeout``, ``start_failure``, ``min_nodes``, ``ssh_probe_timeout`` and
        ``ssh_proxy_command``. Numbers may be texts, and None is as good as an empty text.

        Raises:
            ConfigurationError: a value cannot be that; nothing is taken over then.
        """
        base, given = self._base, cluster_config.get
        self._base = replace(
            base,
            ssh_to=given("ssh_to", base.ssh_to) or "",
            start_timeout=seconds_of("start_timeout", given("start_timeout", base.start_timeout)),
            start_failure=start_failure_of(given("start_failure", base.start_failure)),
            min_nodes=least_numbers_of(given("min_nodes", base.min_nodes), self._counts),
            login=replace(
                base.login,
                probe_timeout=seconds_of(
                    "ssh_probe_timeout", given("ssh_probe_timeout", base.login.probe_timeout)
                ),
                proxy_command=given("ssh_proxy_command", base.login.proxy_command) or "",
            ),
        )

    @property
    def known_hosts_file(self) -> str:
        """Path of the file with the nodes' pinned host keys."""
        return self._store.known_hosts_path(self.name)

    @property
    def storage_file(self) -> str | None:
        """Path of the file that the cluster is remembered in; None if it is not in a file (yet)."""
        return self.repository.storage_file(self.name)

    @property
    def last_trace(self) -> Trace | None:
        """What took how long when the cluster was last started, set up, resized or paused; None: unknown."""
        from elasticluster.engine.timeline import read

        return read(self._store.trace_path(self.name))

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _counts(self) -> dict[str, int]:
        return {kind: len(nodes) for kind, nodes in self.nodes.items()}

    @property
    def _store(self) -> ClusterStore:
        return self.repository.store

    def _tools(self) -> Tools:
        from elasticluster.ssh.probe import ParamikoProber

        self.cloud_provider.adopt(self.record)
        return Tools(
            provider=self.cloud_provider,
            prober=ParamikoProber(),
            setup=SetupPort(self),
            store=self._store,
            tell=trace.heard(self.listener),
            interval=self._chosen_interval,
        )

    @contextlib.contextmanager
    def _traced(self, action: str) -> Iterator[None]:
        """Keep others off the cluster, and record what takes how long."""
        with self._locked(), trace.recording(self._store.trace_path(self.name), action):
            yield

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others off the cluster, and make sure that none has changed it since it was read.

        The store's lock keeps processes apart; threads of this one wait for each other.
        """
        with _working[self.repository.place, self.name], self._store.lock(self.name):
            self._refuse_if_changed(self._load())
            if not self._base.owner:
                self._base = replace(self._base, owner=self.repository.owner)
            try:
                yield
            except BaseException:
                with contextlib.suppress(StateError):  # it would take the place of the error itself
                    self._stored = self._load()
                    self._adopt(self._stored or self.record)  # what was done before the error is true
                raise
            self._stored = self._load()

    def _refuse_what_cannot_be_stopped(self) -> None:
        """Make no machines by a cloud provider that nobody could make again to stop the stored cluster."""
        from elasticluster.providers.registry import check_lasting
        from elasticluster.repository import MemRepository

        if self._cloud_provider and not isinstance(self.repository, MemRepository):
            check_lasting(self._cloud_provider)

    def _load(self) -> ClusterRecord | None:
        try:
            return self._store.load(self.name)
        except ClusterNotFound:
            return None

    def _refuse_if_changed(self, now: ClusterRecord | None) -> None:
        if now is not None and now.uuid != self.uuid:
            raise ClusterConflict(
                f"There is another cluster called '{self.name}', started by {now.owner or 'somebody'}.",
                hint="Choose another name, or load that cluster.",
            )
        if self._stored and now is None:
            raise ClusterNotFound(f"Cluster '{self.name}' was stopped by another command meanwhile.")
        if self._stored and now not in (self._stored, self.record):
            raise StateError(
                f"Cluster '{self.name}' was changed by another command meanwhile.", hint="Load it again."
            )

    def _take(self, report: Report) -> Report:
        self._adopt(report.cluster)
        self.report = report
        return report

    def saved(self) -> None:
        """Note that this object has just been stored as it is; called by its repository."""
        self._stored = self._load()

    def _adopt(self, record: ClusterRecord) -> None:
        """Make this object show `record`, keeping the node objects that users may hold."""
        known = {node.name: node for node in self.get_all_nodes()}
        self._base = record
        self._sightings.forget()
        for kind in record.kinds:
            self.nodes[kind] = []
        for each in record.nodes:
            node = known.get(each.name) or Node.of(self, each)
            node.record = each
            self.nodes.setdefault(each.kind, []).append(node)


def _unmade(node: NodeRecord) -> NodeRecord:
    return NodeRecord(name=node.name, spec=node.spec)


def _reasons(report: Report) -> str:
    return "\n".join(f"  {name}: {failure}" for name, failure in report.lost.items())
