"""Asking a cloud again that does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from elasticluster.engine.run import Run
from elasticluster.exceptions import CloudProviderError, CredentialsError

T = TypeVar("T")

PATIENCE = 60
"""Seconds for which a cloud that does not answer is asked again before that is an error."""


class Patience:
    """Asks a cloud again that does not answer, for a while."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._silent_since: float | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return the answer; None if there was none this time.

        Raises:
            CloudProviderError: there has been none for :data:`PATIENCE` seconds, or credentials are wrong.
        """
        now = self._run.tools.clock.now()
        try:
            answer = question()
        except CredentialsError:
            raise
        except CloudProviderError as error:
            if self._silent_since is None:
                self._silent_since = now
                self._run.warn(f"{error.message} Trying again for {PATIENCE} s.")
            if now - self._silent_since >= PATIENCE:
                raise
            return None
        self._silent_since = None
        return answer
