"""Small helpers that programs written against the documented API import."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Singleton(Generic[T]):
    """Decorate a class of which there shall be one object only; not thread-safe.

    The class takes no arguments and cannot be inherited from. Its object is had by :meth:`Instance`;
    calling the class is an error.

    >>> @Singleton
    ... class Registry:
    ...     pass
    >>> Registry.Instance() is Registry.Instance()
    True

    Args:
        decorated: the class.
    """

    def __init__(self, decorated: type[T]) -> None:
        self._decorated = decorated
        self._instance: T | None = None

    def Instance(self) -> T:  # noqa: N802 - documented name
        """Return the object; it is made on the first call."""
        if self._instance is None:
            self._instance = self._decorated()
        return self._instance

    def __call__(self) -> Any:
        """Refuse to make another object.

        Raises:
            TypeError: always.
        """
        raise TypeError("Singletons must be accessed through `Instance()`.")

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._decorated)
