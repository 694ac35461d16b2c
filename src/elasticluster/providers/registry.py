"""Finds providers: those that come along, those of installed packages, and classes by import path."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from elasticluster.config.keys import Key
from elasticluster.exceptions import ConfigurationError, ElastiClusterError
from elasticluster.model import ComponentRef
from elasticluster.naming import CLOUD_GROUP, SETUP_GROUP
from elasticluster.providers.base import AbstractCloudProvider, AbstractSetupProvider

CLOUDS: Mapping[str, str] = {"docker": "elasticluster.providers.docker:DockerProvider"}
SETUPS: Mapping[str, str] = {"ansible": "elasticluster.providers.ansible_provider:AnsibleSetupProvider"}
"""Providers that come along, by name; found without a look at all installed packages."""

_OF_EVERY_SECTION = frozenset({"groups", "environment_vars", "sudo", "sudo_user"})
"""What every ``[setup/NAME]`` section comes to; a provider takes those that it has a use for."""


def cloud_provider(ref: ComponentRef) -> AbstractCloudProvider:
    """Make a cloud provider.

    Args:
        ref: name (``docker``, or an entry point of ``elasticluster.cloud_providers``) or import path
            (``package.module:Class``), and the arguments of its constructor.

    Raises:
        ConfigurationError: there is none of that name, it cannot be imported, or it does not take
            these arguments.
    """
    made: AbstractCloudProvider = _make("cloud provider", ref, cloud_class(ref.type))
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
    return _find("cloud provider", name, CLOUDS, CLOUD_GROUP)


def setup_class(name: str) -> type[Any]:
    """Return the class of a setup provider by name or import path.

    Raises:
        ConfigurationError: there is none, or it cannot be imported.
    """
    return _find("setup provider", name, SETUPS, SETUP_GROUP)


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
    """Describe a provider so that :func:`cloud_provider` or :func:`setup_provider` can make it again."""
    kind = type(provider)
    arguments = dict(getattr(provider, "init_arguments", {}))
    for name, path in {**CLOUDS, **SETUPS}.items():
        module, _, known = path.partition(":")
        if kind.__name__ == known and f"{kind.__module__}.".startswith(f"{module}."):
            return ComponentRef(type=name, args=arguments)
    return ComponentRef(type=f"{kind.__module__}:{kind.__qualname__}", args=arguments)


def _find(what: str, name: str, shipped: Mapping[str, str], group: str) -> type[Any]:
    path = shipped.get(name, name if ":" in name else "")
    if path:
        return _load(what, EntryPoint(name, path, group))
    for point in entry_points(group=group, name=name):
        return _load(what, point)
    known = sorted({*shipped, *entry_points(group=group).names})
    raise ConfigurationError(f"There is no {what} called '{name}'.", hint=_suggestion(name, known))


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean '{near[0]}'? " if near else ""
    return f"{meant}There are: {', '.join(known)}; a class of your own is given as 'package.module:Class'."


def _load(what: str, point: EntryPoint) -> type[Any]:
    try:
        found = point.load()
    except (ImportError, AttributeError, ValueError) as exc:
        raise ConfigurationError(f"The {what} '{point.name}' cannot be imported: {exc}") from exc
    except Exception as exc:
        problem = f"{type(exc).__name__}: {exc}"
        raise ConfigurationError(f"The {what} '{point.name}' cannot be imported: {problem}") from exc
    if not isinstance(found, type):
        raise ConfigurationError(f"The {what} '{point.name}' is not a class but {found!r}.")
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
        problem = f"{type(exc).__name__}: {exc}"
        raise ConfigurationError(f"The {what} '{ref.type}' cannot be made: {problem}") from exc


def _parameters(found: type[Any]) -> frozenset[str]:
    """Return the names of what a constructor takes; all that matter here, if it takes whatever comes."""
    parameters = inspect.signature(found.__init__).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return _OF_EVERY_SECTION
    return frozenset(parameters)
