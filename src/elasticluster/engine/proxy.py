"""What the tokens in a proxy command stand for, whoever runs it: the probe, OpenSSH or Ansible.

They are ``%h`` (address), ``%p`` (port), ``%r`` (user), ``%n`` (name of the node) and ``%%`` (a single
``%``). Any other ``%`` is itself, so that commands such as ``date +%s`` need no care. OpenSSH stops at tokens
that it does not know and takes ``%n`` for the address: its form says the same in its terms.
"""

from __future__ import annotations

import re

from elasticluster.model import SshTarget

_TOKEN_RE = re.compile(r"%([hprn%])?")


def filled_in(target: SshTarget) -> str:
    """Return a target's proxy command as a shell takes it.

    >>> target = SshTarget(name="a", host="10.0.0.7", port=22, user="me", key_path="",
    ...                    proxy_command="ssh -W %h:%p %r@gate; echo %n 100%% at $(date +%s)")
    >>> filled_in(target)
    'ssh -W 10.0.0.7:22 me@gate; echo a 100% at $(date +%s)'
    """
    values = {"h": target.host, "p": str(target.port), "r": target.user, "n": target.name}
    return _TOKEN_RE.sub(lambda token: values.get(token[1], "%"), target.proxy_command)


def for_openssh(command: str, name: str) -> str:
    """Return the proxy command of the node called `name` as OpenSSH takes it.

    >>> for_openssh("ssh -W %h:%p %r@gate; echo %n 100%% at $(date +%s)", "a")
    'ssh -W %h:%p %r@gate; echo a 100%% at $(date +%%s)'
    """
    known = {"h": "%h", "p": "%p", "r": "%r", "n": name}
    return _TOKEN_RE.sub(lambda token: known.get(token[1], "%%"), command)
