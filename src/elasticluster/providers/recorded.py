"""What is recorded of a cloud provider's arguments: None in place of each secret that is not stored.

Such a secret came from a section of the configuration or from the environment, and is had again from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from elasticluster.config import environment
from elasticluster.config.keys import Key
from elasticluster.config.masking import presentable
from elasticluster.exceptions import CredentialsError
from elasticluster.model import ComponentRef


def described(arguments: Mapping[str, Any], keys: Collection[Key]) -> dict[str, Any]:
    """Return what to record of the arguments that a provider was made with in Python.

    What was given is recorded whole: it is nowhere else. Of what came from the environment, the place is
    recorded, so that the same cloud is meant in every terminal, and that there was a secret.
    """
    secrets = {key.name for key in keys if key.secret}
    given = {name: value for name, value in arguments.items() if name not in secrets or value is not None}
    found = environment.supplied(keys, arguments)
    places = {key.name: found[key.name] for key in keys if key.place and key.name in found}
    return {**given, **places, **dict.fromkeys(secrets & found.keys())}


def complete(ref: ComponentRef, keys: Collection[Key]) -> ComponentRef:
    """Return a recorded cloud with the secrets that are not stored with it, as the environment has them.

    Args:
        ref: as it is recorded. If it came from a section, only an environment for the very same place will
            do: a record may come from anybody, and secrets are sent to where it says that the cloud is.
        keys: the provider's table.

    Raises:
        CredentialsError: they are not to be had.
    """
    lacking = [key for key in keys if key.secret and ref.args.get(key.name, "") is None]
    if not lacking:
        return ref
    login = {key.name for key in keys if key.identifies}
    given = {name: value for name, value in ref.args.items() if value is not None}
    if ref.section:
        given = {name: value for name, value in given.items() if name not in login}
    here = environment.supplied(keys, {} if ref.section else given)
    same_place = all(here.get(key.name) == (given.get(key.name) or None) for key in keys if key.place)
    if not any(key.name in here for key in keys if key.secret) or not (same_place or not ref.section):
        raise _no_secret(ref, lacking[0], keys)
    return replace(ref, args={**given, **{name: here[name] for name in login & here.keys()}})


def _no_secret(ref: ComponentRef, secret: Key, keys: Iterable[Key]) -> CredentialsError:
    variable = next(iter(secret.environment), "")
    if not ref.section:
        return CredentialsError(
            f"The cloud provider '{ref.type}' cannot be made: {secret.name} came from the environment, and "
            f"${variable} does not say it any more.",
            hint=f"Set {variable} as it was when the cluster was made.",
        )
    places = [key for key in keys if key.place and ref.args.get(key.name)]
    place = ", ".join(f"{key.name}={presentable(key.name, str(ref.args[key.name]))}" for key in places)
    same = f", which has to be for the same place ({place})" if place else ""
    neither, or_set = "the section does not say it", ""
    if variable:
        others = ", ".join(key.environment[0] for key in places if key.environment)
        neither = f"neither the section nor ${variable} says it"
        or_set = f", or set {variable}" + (f" with {others} of that place" if others else "")
    return CredentialsError(
        f"[cloud/{ref.section}] cannot be used: {secret.name} is not stored with clusters, and {neither}.",
        hint=f"Write it into [cloud/{ref.section}] of the configuration{same}{or_set}.",
    )
