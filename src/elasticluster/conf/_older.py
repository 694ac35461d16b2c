"""The ways to a configuration that programs written for earlier releases know.

All of them end in a :class:`~elasticluster.conf.Creator`. Errors are :class:`voluptuous.MultipleInvalid`
(and so :class:`voluptuous.Invalid`) as well as :class:`elasticluster.exceptions.ConfigurationError`: one
error names everything that is wrong, with file and line.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from elasticluster.conf._creator import (
    DEFAULT_STORAGE_PATH,
    ConfigFiles,
    Creator,
    make_creator,
    vocabulary,
)
from elasticluster.config.default import DEFAULT_PATH

if TYPE_CHECKING:
    from elasticluster.config.templates import Configuration


def get_configurator(
    configfile: str | PathLike[str] | None = None, storage: str | None = None
) -> Configurator:
    """Return what makes and loads clusters, as the 1.x releases did.

    Args:
        configfile: path of the configuration file; the usual one if None.
        storage: folder in which clusters are remembered; the configuration's, or the usual one, if None.

    Raises:
        ConfigurationError: the file cannot be read, or something is wrong in it.
    """
    return Configurator.fromConfig(configfile or DEFAULT_PATH, storage)


def load_config_files(paths: ConfigFiles) -> dict[str, Any]:
    """Return the templates of configuration files as a dictionary; see :attr:`Creator.cluster_conf`.

    Args:
        paths: one path or several; later files win, and with each ``PATH`` its ``PATH.d/*.conf``.

    Raises:
        ConfigurationError: a file cannot be read, or something is wrong in a template.
    """
    return make_creator(paths).cluster_conf


class ConfigReader:
    """Reads a configuration file.

    Args:
        configfile: its path.
    """

    def __init__(self, configfile: str | PathLike[str]) -> None:
        self.configfile = configfile

    def read_config(self) -> dict[str, Any]:
        """Return all templates as a dictionary, with the sections that each refers to.

        ``{TEMPLATE: {"setup": {…}, "cloud": {…}, "login": {…}, "cluster": {…}, "nodes": {KIND: {…}}}}``

        Raises:
            voluptuous.MultipleInvalid: a section is missing, refers to one that does not exist, or has
                anything else wrong in it. It is a :class:`ConfigurationError` too.
        """
        from elasticluster.conf._dictionary import to_dictionary

        return to_dictionary(_checked(make_creator(self.configfile).configuration))


class ConfigValidator:
    """Checks a configuration that is a dictionary, as :class:`ConfigReader` returns it.

    Args:
        config: the dictionary.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def validate(self) -> None:
        """Check everything, and turn texts in :attr:`config` into values of their types.

        Raises:
            voluptuous.MultipleInvalid: something is wrong; all problems are named. It is a
                :class:`voluptuous.Invalid` and a :class:`ConfigurationError` too.
        """
        from elasticluster.conf._dictionary import from_dictionary, to_dictionary

        checked = to_dictionary(_checked(from_dictionary(self.config, **vocabulary())))
        self.config.update(checked)


class Configurator(Creator):
    """Keeps a configuration, and makes clusters and providers of it; checked when it is made.

    Args:
        cluster_conf: the configuration as a dictionary, as :class:`ConfigReader` returns it. Texts in it
            are turned into values of their types.
        storage_path: folder in which clusters are remembered; the usual one if None.

    Raises:
        voluptuous.MultipleInvalid: something is wrong; all problems are named. It is a
            :class:`ConfigurationError` too.
    """

    def __init__(self, cluster_conf: dict[str, Any], storage_path: str | None = None) -> None:
        ConfigValidator(cluster_conf).validate()
        super().__init__(cluster_conf, storage_path or DEFAULT_STORAGE_PATH)
        self.cluster_conf = cluster_conf

    @classmethod
    def fromConfig(cls, configfile: str | PathLike[str], storage_path: str | None = None) -> Self:  # noqa: N802 - documented
        """Return one for a configuration file.

        Args:
            configfile: path of the file.
            storage_path: folder in which clusters are remembered; the configuration's, or the usual one,
                if None.

        Raises:
            voluptuous.MultipleInvalid: something is wrong, anywhere in the file; all problems are named. It
                is a :class:`ConfigurationError` too.
        """
        configuration = _checked(make_creator(configfile).configuration)
        made = cls.__new__(cls)
        Creator.__init__(made, lambda: configuration, storage_path)
        return made


def _checked(configuration: Configuration) -> Configuration:
    """Return a configuration in which nothing at all is wrong.

    Raises:
        ConfigurationError: something is, or there is no template.
    """
    from elasticluster.config.problems import Position, Problem, failure

    problems = configuration.problems()
    if not problems and not configuration.template_names():
        where = Position(configuration.paths[0])
        problems = [Problem(where, "there is no section [cluster/NAME], so there is nothing to start")]
    if problems:
        raise failure(problems)
    return configuration
