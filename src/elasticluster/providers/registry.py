"""Finds providers: those that come along, those of installed packages, and classes by import path."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from elasticluster.config import environment
from elasticluster.config.keys import Key
from elasticluster.exceptions import ConfigurationError, ElastiClusterError
from elasticluster.model import ComponentRef
from elasticluster.naming import CLOUD_GROUP, SETUP_GROUP
from elasticluster.providers.base import AbstractCloudProvider, AbstractSetupProvider, without_secrets
from elasticluster.providers.recorded import complete, described

log = logging.getLogger("elasticluster")

CLOUDS: Mapping[str, str] = {
    "docker": "elasticluster.providers.docker:DockerProvider",
    "ec2_boto": "elasticluster.providers.ec2_boto:BotoCloudProvider",
    "openstack": "elasticluster.providers.openstack:OpenStackCloudProvider",
}
EXTRAS: Mapping[str, tuple[str, str]] = {
    "ec2_boto": ("boto3", "aws"),
    "openstack": ("openstack", "openstack"),
}
"""What a provider that comes along needs and not everybody has: a package, and the extra that brings it."""

SETUPS: Mapping[str, str] = {"ansible": "elasticluster.providers.ansible_provider:AnsibleSetupProvider"}
"""Providers that come along, by name; found without a look at all installed packages."""


class _Kind(NamedTuple):
    """What is to be known to find providers of one kind."""

    what: str
    shipped: Mapping[str, str]
    group: str
    base: type[Any]


_CLOUD = _Kind("cloud provider", CLOUDS, CLOUD_GROUP, AbstractCloudProvider)
_SETUP = _Kind("setup provider", SETUPS, SETUP_GROUP, AbstractSetupProvider)

_OF_EVERY_SECTION = frozenset({"groups", "environment_vars", "sudo", "sudo_user"})
"""What every ``[setup/NAME]`` section comes to; a provider takes those that it has a use for."""


def cloud_provider(ref: ComponentRef) -> AbstractCloudProvider:
    """Make a cloud provider.

    Args:
        ref: name (``docker``, or an entry point of ``elasticluster.cloud_providers``) or import path
            (``package.module:Class``), and the arguments of its constructor.

    A secret that was not stored is taken from the environment, if that is for the very same place. Nothing
    else is taken from there.

    Raises:
        ConfigurationError: there is none of that name, it cannot be imported, what it needs is not
            installed, or it does not take these arguments.
        CredentialsError: a secret that was not stored is not to be had.
    """
    found = cloud_class(ref.type)
    _refuse_missing_extra(ref)
    whole = complete(ref, cloud_keys(ref.type)[0])
    _refuse_contradictions(whole)
    with environment.closed():
        made: AbstractCloudProvider = _make("cloud provider", whole, found)
    return made


def setup_provider(ref: ComponentRef) -> AbstractSetupProvider:
    """Make a setup provider; as :func:`cloud_provider`, with ``elasticluster.setup_providers``.

    ``groups``, ``environment_vars``, ``sudo`` and ``sudo_user`` are left out where it does not take them.

    Raises:
        ConfigurationError: as for a cloud provider.
    """
    found = setup_class(ref.type)
    refused = _OF_EVERY_SECTION - _parameters(found)
    args = {name: value for name, value in ref.args.items() if name not in refused}
    made: AbstractSetupProvider = _make("setup provider", replace(ref, args=args), found)
    return made


def cloud_class(name: str) -> type[Any]:
    """Return the class of a cloud provider by name or import path.

    Raises:
        ConfigurationError: there is none, or it cannot be imported.
    """
    return _find(_CLOUD, name)


def setup_class(name: str) -> type[Any]:
    """Return the class of a setup provider by name or import path.

    Raises:
        ConfigurationError: there is none, or it cannot be imported.
    """
    return _find(_SETUP, name)


def cloud_names() -> list[str]:
    """Return the names of all cloud providers that are installed, sorted."""
    return sorted({*CLOUDS, *entry_points(group=CLOUD_GROUP).names})


def cloud_keys(name: str) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    """Return the configuration keys of a cloud provider, which stand beside its class in its module.

    Returns:
        ``CLOUD_KEYS`` (of ``[cloud/NAME]``) and ``NODE_KEYS`` (of ``[cluster/NAME]``); each empty if
        the module has none.

    Raises:
        ConfigurationError: there is no such provider, or it cannot be imported.
    """
    return cloud_tables(name) or ((), ())


def cloud_tables(name: str) -> tuple[tuple[Key, ...], tuple[Key, ...]] | None:
    """Return the same as :func:`cloud_keys`; None if the module of the class has neither.

    Raises:
        ConfigurationError: there is no such provider, or it cannot be imported.
    """
    path = CLOUDS.get(name)
    module = importlib.import_module(path.partition(":")[0]) if path else inspect.getmodule(cloud_class(name))
    if not hasattr(module, "CLOUD_KEYS") and not hasattr(module, "NODE_KEYS"):
        return None
    return tuple(getattr(module, "CLOUD_KEYS", ())), tuple(getattr(module, "NODE_KEYS", ()))


def setup_names() -> list[str]:
    """Return the names of all setup providers that are installed, sorted."""
    return sorted({*SETUPS, *entry_points(group=SETUP_GROUP).names})


def setup_keys(name: str) -> tuple[Key, ...] | None:
    """Return ``SETUP_KEYS``, the configuration keys of a setup provider, which stand beside its class.

    Returns:
        keys of ``[setup/NAME]``; None if its module has none: then any are handed on.

    Raises:
        ConfigurationError: there is no such provider, or it cannot be imported.
    """
    keys = getattr(inspect.getmodule(setup_class(name)), "SETUP_KEYS", None)
    return None if keys is None else tuple(keys)


def ref_of(provider: object) -> ComponentRef:
    """Describe a provider so that :func:`cloud_provider` or :func:`setup_provider` can make it again.

    Where a cloud is does not change with the environment: what that says now is in the description.
    """
    kind = type(provider)
    arguments = dict(getattr(provider, "init_arguments", {}))
    for name, path in {**CLOUDS, **SETUPS}.items():
        module, _, known = path.partition(":")
        if kind.__name__ == known and f"{kind.__module__}.".startswith(f"{module}."):
            keys = cloud_keys(name)[0] if name in CLOUDS else ()
            return ComponentRef(type=name, args=described(arguments, keys))
    keys = tuple(getattr(inspect.getmodule(kind), "CLOUD_KEYS", ()))
    return ComponentRef(type=f"{kind.__module__}:{kind.__qualname__}", args=described(arguments, keys))


def check_lasting(provider: object) -> None:
    """Make sure that another process can make a provider again; warn where only this program can.

    Raises:
        ConfigurationError: none can.
    """
    kind = type(provider)
    name = f"{kind.__module__}:{kind.__qualname__}"
    parameters = inspect.signature(kind.__init__).parameters.values()
    problem = ""
    if "<locals>" in kind.__qualname__:
        problem = "its class is defined within a function"
    elif any(p.kind is p.VAR_POSITIONAL for p in parameters) and kind.__init__ is not object.__init__:
        problem = "its constructor takes arguments without names (`*args`)"
    if problem:
        raise ConfigurationError(
            f"No other process could make the provider {name} again, and so stop the cluster: {problem}.",
            hint="Mend that, or keep the cluster in memory with MemRepository().",
        )
    if kind.__module__ == "__main__":
        log.warning(
            "Other programs, `elasticluster stop` among them, cannot import the provider %s: put its class "
            "into a module.",
            name,
        )


def _refuse_missing_extra(ref: ComponentRef) -> None:
    """Say in one line what to install, before the first call does in many."""
    package, extra = EXTRAS.get(ref.type, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        where = f" of [cloud/{ref.section}]" if ref.section else ""
        here = f"in the checkout: pip install '.[{extra}]'"
        raise ConfigurationError(
            f"The cloud provider '{ref.type}'{where} needs the extra '{extra}', which is not installed.",
            hint=f"Install it: pip install 'elasticluster[{extra}]' ({here}).",
        )


def _refuse_contradictions(ref: ComponentRef) -> None:
    """Check a record like a file: with two places in it, the password of one might be sent to the other."""
    for key in cloud_keys(ref.type)[0]:
        problem = key.check(ref.args.get(key.name), ref.args) if key.check else ""
        if problem:
            raise ConfigurationError(
                f"The cloud provider '{ref.type}' cannot be made: {key.name}: {problem}."
            )


def _find(kind: _Kind, name: str) -> type[Any]:
    path = kind.shipped.get(name, name if ":" in name else "")
    if path:
        return _load(kind, EntryPoint(name, path, kind.group))
    for point in entry_points(group=kind.group, name=name):
        return _load(kind, point)
    known = sorted({*kind.shipped, *entry_points(group=kind.group).names})
    raise ConfigurationError(f"There is no {kind.what} called '{name}'.", hint=_suggestion(name, known))


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean '{near[0]}'? " if near else ""
    return f"{meant}There are: {', '.join(known)}; a class of your own is given as 'package.module:Class'."


def _load(kind: _Kind, point: EntryPoint) -> type[Any]:
    """Return the class at an entry point; any other than of a provider would be called with what a file says.

    Raises:
        ConfigurationError: it cannot be imported, or is none.
    """
    named = f"The {kind.what} '{point.name}'"
    try:
        found = point.load()
    except (ImportError, AttributeError, ValueError) as exc:
        raise ConfigurationError(f"{named} cannot be imported: {exc}") from exc
    except Exception as exc:
        raise ConfigurationError(f"{named} cannot be imported: {type(exc).__name__}: {exc}") from exc
    if not isinstance(found, type):
        raise ConfigurationError(f"{named} is not a class but {found!r}.")
    if not issubclass(found, kind.base):
        raise ConfigurationError(f"{named} is no subclass of elasticluster.providers.{kind.base.__name__}.")
    return found


def _make(what: str, ref: ComponentRef, found: type[Any]) -> Any:
    missing = getattr(found, "__abstractmethods__", ())
    if missing:
        raise ConfigurationError(
            f"The {what} '{ref.type}' is not complete: it lacks {', '.join(sorted(missing))}."
        )
    try:
        inspect.signature(found.__init__).bind(None, **ref.args)
    except TypeError as exc:
        raise ConfigurationError(
            f"The {what} '{ref.type}' cannot be made with its arguments: {exc}."
        ) from exc
    try:
        return found(**ref.args)
    except ElastiClusterError:
        raise
    except Exception as exc:  # a third party's code may raise anything
        problem = without_secrets(f"{type(exc).__name__}: {exc}", found, ref.args)
        raise ConfigurationError(f"The {what} '{ref.type}' cannot be made: {problem}") from exc


def _parameters(found: type[Any]) -> frozenset[str]:
    """Return the names of what a constructor takes; all that matter here, if it takes whatever comes."""
    parameters = inspect.signature(found.__init__).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return _OF_EVERY_SECTION
    return frozenset(parameters)
