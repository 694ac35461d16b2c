"""Nodes that never come up."""

import threading

from elasticluster.repository import JsonRepository


class Frozen:
    """Freezes the init of a user's node as soon as the engine has started it, so that it never comes up."""

    def __init__(self, engine, user, node):
        owner = JsonRepository(str(user.home / ".elasticluster/storage")).owner
        labels = [f"elasticluster.owner={owner}", f"elasticluster.node={node}"]
        self._engine = engine
        self._events = engine.events(decode=True, filters={"event": "start", "label": labels})
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self._events.close()
        self._thread.join(10)

    def _watch(self):
        for event in self._events:
            self._engine.containers.get(event["id"]).kill("SIGSTOP")
