"""The WSGI layer in front of moto: credentials, throttling, faults, and the rules that moto lacks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.clouds.ec2.cloud import Cloud
from tests.clouds.ec2.faults import ConnectionDropped, Faults, Throttle
from tests.clouds.ec2.messages import Answer, Application, Call, Environ, Refusal
from tests.clouds.ec2.rules import RULES, check_filters


class Layer:
    """EC2 as it is seen from outside.

    Attributes:
        go_down: refuses connections for some seconds.

    Args:
        moto: what does the work.
        cloud: its backend, and the settings.
        keys: the secret of each access key that is let in.
    """

    def __init__(self, moto: Application, cloud: Cloud, keys: dict[str, str]) -> None:
        self.calls: list[str] = []
        self.faults = Faults()
        self.go_down: Callable[[float], None] = lambda _: None
        self._moto = moto
        self._cloud = cloud
        self._keys = keys
        self._throttle: Throttle | None = None
        self._work = threading.Lock()  # moto's backends know nothing of threads

    def set(self, **settings: Any) -> None:
        """Change settings of the cloud."""
        for name, value in settings.items():
            if not hasattr(self._cloud.settings, name):
                raise AttributeError(f"there is no setting '{name}'")
            setattr(self._cloud.settings, name, value)
        bucket = self._cloud.settings.token_bucket
        if "token_bucket" in settings:
            limits = bucket if isinstance(bucket, list) else ()
            self._throttle = Throttle(self._cloud.now, *limits) if bucket else None

    def reset(self) -> None:
        """Forget everything but the keys."""
        with self._work:
            self._cloud.reset()
            self.calls.clear()
            self.faults.clear()
            self._throttle = None

    def machines(self, region: str) -> list[dict[str, Any]]:
        """Return what the machines' side has to know; see :meth:`Cloud.machines`."""
        with self._work:
            return self._cloud.machines(region)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        call = Call.read(environ)
        self.calls.append(call.action)
        time.sleep(self._cloud.settings.latency)
        try:
            answer = self._answer(call)
        except Refusal as refusal:
            answer = refusal.answer
        except ConnectionDropped as dropped:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError from dropped
        return answer.send(start)

    def _answer(self, call: Call) -> Answer:
        if self._throttle:
            self._throttle.check(call)
        self._authenticate(call)
        fault = self.faults.take(call)
        if fault and fault.code:
            raise Refusal(fault.code, fault.message, fault.status)
        check_filters(call)
        with self._work:
            self._cloud.tick(call.region)
            rule = RULES.get(call.action)
            done = rule(self._cloud, call, self._ask_moto) if rule else self._ask_moto(call)
        if fault and fault.then_down:
            self.go_down(fault.then_down)
        if fault and fault.drop_reply:
            raise ConnectionDropped
        return done

    def _ask_moto(self, call: Call) -> Answer:
        return call.to(self._moto)

    def _authenticate(self, call: Call) -> None:
        """Check the signature (General Reference, "Signature Version 4"; code as on the page of errors)."""
        secret = self._keys.get(call.access_key)
        if secret is None or _signature(call, secret) not in call.environ.get("HTTP_AUTHORIZATION", ""):
            raise Refusal("AuthFailure", "AWS was not able to validate the provided access credentials", 401)


def _signature(call: Call, secret: str) -> str:
    """Return the signature that a call has if it was signed with a given secret."""
    given = call.environ["HTTP_AUTHORIZATION"]
    signed = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: _header(call.environ, name) for name in signed}
    scope = given.partition("Credential=")[2].partition(",")[0].split("/")
    signer = SigV4Auth(Credentials(call.access_key, secret), scope[3], scope[2])
    host = call.environ["HTTP_HOST"]
    request = AWSRequest("POST", f"http://{host}{call.environ['PATH_INFO']}", headers, call.body)
    request.context["timestamp"] = headers["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


def _header(environ: Environ, name: str) -> str:
    plain = name.upper().replace("-", "_")
    return str(environ.get(plain if plain in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{plain}", ""))
