"""Who asks which cloud: the section of the configuration, ``OS_*`` variables and ``clouds.yaml``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticluster.exceptions import CredentialsError
from elasticluster.providers.common.nearest import suggestion
from elasticluster.providers.openstack import CLOUD_KEYS

if TYPE_CHECKING:
    from openstack.config.loader import OpenStackConfig

PASSWORD = "password"  # noqa: S105 - a kind of credentials, as keystoneauth calls it
TOKEN = "token"  # noqa: S105 - the same
APPLICATION_CREDENTIAL = "v3applicationcredential"

_DEFAULT_DOMAIN = "default"
_OLD_RE = re.compile(r"/v2\.0/?$")  # of an API that is gone; the service tells which it has
_URL_RE = re.compile(r"https?://[^/]", re.IGNORECASE)
_SECRETS = {
    APPLICATION_CREDENTIAL: (
        "application_credential_id",
        "application_credential_name",
        "application_credential_secret",
    ),
    TOKEN: ("token",),
    PASSWORD: ("password",),
}
"""By which keys each kind of credentials is told; the first kind that is given counts."""

_KEYS = {key.name: key for key in CLOUD_KEYS if key.environment}
"""Keys that say who asks which cloud; OpenStack's own command line has a variable for each."""


@dataclass(frozen=True, slots=True)
class Access:
    """What to ask a cloud with.

    Attributes:
        cloud: name of an entry of ``clouds.yaml``, which says all that is not said here; empty for none.
        kind: kind of credentials, as keystoneauth calls it; empty: as ``clouds.yaml`` says.
        auth: the credentials, and the project that they are for, by keystoneauth's names.
        options: region, certificates and which endpoints to use, by openstacksdk's names.
    """

    cloud: str = ""
    kind: str = ""
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


def access(section: Mapping[str, Any], supplied: Mapping[str, str]) -> Access:
    """Return what to ask a cloud with.

    What the section says counts; what it leaves out is taken from the variables of OpenStack's own command
    line. What belongs together is never mixed: a project of the section is not looked for by an id from a
    variable. Variables other than ``OS_CLOUD`` add nothing to an entry of ``clouds.yaml``.

    Args:
        section: keys of ``[cloud/NAME]``.
        supplied: what variables say of further keys, see :func:`elasticluster.config.environment.supplied`.

    Raises:
        CredentialsError: something is missing; the message names it.
    """
    said = {name: str(value) for name, value in section.items() if value and name in _KEYS}
    cloud = said.get("os_cloud") or supplied.get("os_cloud", "")
    given = _Given(said, {} if cloud else supplied)
    kind = given.kind()
    options = {name: given.one(name) for name in ("region_name", "cacert", "interface")}
    return Access(
        cloud=cloud,
        kind=kind,
        auth=_auth(given, kind or PASSWORD, complete=not cloud),
        options={name: value for name, value in options.items() if value},
    )


def files(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return where openstacksdk looks for ``clouds.yaml`` and ``secure.yaml``, as its arguments."""
    from openstack.config.loader import CONFIG_FILES, SECURE_FILES

    return {
        "config_files": [*filter(None, [environ.get("OS_CLIENT_CONFIG_FILE")]), *CONFIG_FILES],
        "secure_files": [*filter(None, [environ.get("OS_CLIENT_SECURE_FILE")]), *SECURE_FILES],
    }


def check_cloud(name: str, config: OpenStackConfig, places: Iterable[str] = ()) -> None:
    """Check that ``clouds.yaml`` has an entry.

    Args:
        name: its name.
        config: what openstacksdk has read.
        places: the paths that it has looked at. It passes over files that it cannot read.

    Raises:
        CredentialsError: it has not; says which it has, or why none could be read.
    """
    if not config.config_filename:
        _check_readable(places)
    clouds = config.cloud_config.get("clouds") or {} if config.config_filename else {}
    if name not in clouds:
        raise CredentialsError(
            f"There is no cloud '{name}' in {config.config_filename or 'any clouds.yaml'}.",
            hint=suggestion(name, map(str, clouds), "clouds")
            or "Write one, or set `auth_url` and credentials.",
        )
    if not isinstance(clouds[name], dict):
        raise CredentialsError(
            f"The cloud '{name}' in {config.config_filename} says nothing.",
            hint="It has to have `auth:`, with `auth_url` and credentials.",
        )


def check_url(url: str) -> None:
    """Check that there is something to ask at an address, if there is one.

    Raises:
        CredentialsError: it is none.
    """
    if url and not _URL_RE.match(url):
        raise CredentialsError(
            f"The address of the identity service is no URL: '{url}'.",
            hint="Write `auth_url` like https://cloud.example.org:5000/v3.",
        )


def check_certificates(path: str) -> None:
    """Check that a file, or a folder, has certificates to trust.

    Raises:
        CredentialsError: it has none, or cannot be read.
    """
    import ssl

    place = {"capath" if Path(path).is_dir() else "cafile": path}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**place)
    except OSError as exc:
        problem = "it has no certificates" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise CredentialsError(
            f"`cacert`: '{path}' cannot be used: {problem}.",
            hint="Name a file with the certificates of the cloud's operator (PEM).",
        ) from exc


@dataclass(frozen=True, slots=True)
class _Given:
    """What is said in two places, of which the first counts."""

    section: Mapping[str, str]
    variables: Mapping[str, str]

    def kind(self) -> str:
        """Return the kind of credentials; empty if there are none."""
        for place in (self.section, self.variables):
            for kind, names in _SECRETS.items():
                if any(name in place for name in names):
                    return kind
        return ""

    def group(self, *names: str) -> dict[str, str]:
        """Return what is said of things that belong together, all of it from one place."""
        for place in (self.section, self.variables):
            found = {name: place[name] for name in names if name in place}
            if found:
                return found
        return {}

    def one(self, name: str) -> str:
        return self.group(name).get(name, "")


def _auth(given: _Given, kind: str, *, complete: bool) -> dict[str, str]:
    """Return the credentials; what is missing is an error if nothing else can say it."""
    auth = {"auth_url": _OLD_RE.sub("", given.one("auth_url")), **given.group(*_SECRETS[kind])}
    needed = ["auth_url"]
    if kind == APPLICATION_CREDENTIAL:  # it is for one project, and its id is for one user
        needed += ["application_credential_secret"]
        if "application_credential_id" not in auth:
            needed += ["application_credential_name", "username"]
            auth |= _user(given, complete=complete)
    else:
        project = given.group("project_id", "project_name")
        auth |= project if len(project) == 1 else {"project_id": project.get("project_id", "")}
        needed += [kind] if "project_id" in project else [kind, "project_name"]
        if complete or "project_name" in project:
            auth |= _domain(given, "project", complete=complete)
    if kind == PASSWORD:
        needed += ["username"]
        auth |= _user(given, complete=complete)
    if complete:
        _check_complete(auth, needed)
    return {name: value for name, value in auth.items() if value}


def _user(given: _Given, *, complete: bool) -> dict[str, str]:
    return {"username": given.one("username"), **_domain(given, "user", complete=complete)}


def _domain(given: _Given, whose: str, *, complete: bool) -> dict[str, str]:
    """Return the domain of the user or of the project.

    The one that every cloud begins with has the id ``default`` and the name ``Default``; configurations give
    the id as a name (Keystone's installation guide, "bootstrap").
    """
    found = given.group(f"{whose}_domain_name", f"{whose}_domain_id")
    name = found.get(f"{whose}_domain_name", "")
    if name == _DEFAULT_DOMAIN or (complete and not found):
        return {f"{whose}_domain_id": _DEFAULT_DOMAIN}
    return {f"{whose}_domain_name": name} if name else found


def _check_readable(places: Iterable[str]) -> None:
    import yaml

    for path in filter(os.path.exists, places):
        try:
            yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as exc:
            mark = getattr(exc, "problem_mark", None)  # and no more: there may be a password
            line = f" It is no YAML from line {mark.line + 1} on." if mark else ""
            raise CredentialsError(
                f"{path} cannot be read.{line}", hint="Correct the file, or its permissions."
            ) from exc


def _check_complete(auth: Mapping[str, str], needed: list[str]) -> None:
    missing = [name for name in needed if not auth.get(name)]
    if missing:
        named = ", ".join(f"`{name}` (${_KEYS[name].environment[0]})" for name in missing)
        raise CredentialsError(
            f"OpenStack's credentials are not complete: {named} missing.",
            hint="Set what is missing in the section of the cloud or as environment variables, or name an "
            "entry of `clouds.yaml` by `os_cloud` ($OS_CLOUD).",
        )
