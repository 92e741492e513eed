"""What a server asks of those who call it, and what it shows them: a token, a certificate.

- ``TokenGuard``: an interceptor that lets a call pass only with the token. Without a token
  there is no interceptor, and a call costs what it always did.
- ``Identity``: the server's certificate and its private key, for TLS.
"""

import hmac
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio

from nucleus.core.errors import InvalidArgument

OPEN_SERVICE = "/grpc.health.v1.Health/"
"""Asked by probes that have no token; it says whether the master serves, and nothing else."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Next: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


def same(shown: str, token: str) -> bool:
    """Whether two texts are equal; how long it takes tells nothing about where they differ."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), token.encode())


class TokenGuard(grpc.aio.ServerInterceptor):
    """Answers ``UNAUTHENTICATED`` to calls that do not carry ``authorization: Bearer TOKEN``."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}"
        # As a stream of requests: it is refused before any of it is read.
        self._missing: Handler = grpc.stream_unary_rpc_method_handler(_refuse_missing)
        self._wrong: Handler = grpc.stream_unary_rpc_method_handler(_refuse_wrong)

    async def intercept_service(
        self,
        continuation: Next,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Let the call pass, or refuse it."""
        if handler_call_details.method.startswith(OPEN_SERVICE):
            return await continuation(handler_call_details)
        for key, value in handler_call_details.invocation_metadata or ():
            if key == "authorization":
                if same(str(value), self._expected):
                    return await continuation(handler_call_details)
                return self._wrong
        return self._missing


async def _refuse_missing(requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    message = "this master asks for a token; set NUCLEUS_TOKEN_FILE, or use --token-file"
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)


async def _refuse_wrong(requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    message = "this is not the token of this master; look at NUCLEUS_TOKEN_FILE or NUCLEUS_TOKEN"
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)


@dataclass(frozen=True, slots=True)
class Identity:
    """The files, in PEM, of a certificate (with those that lead to the authority) and its key."""

    certificate: str
    key: str

    def check(self) -> None:
        """Raise ``InvalidArgument`` if they cannot be read, or do not belong together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key, self._refuse_to_ask)
        except OSError as reason:
            why = reason.strerror or "they are no certificate and its key"
            raise InvalidArgument(f"TLS: {self.certificate} and {self.key}: {why}") from None

    def _refuse_to_ask(self) -> str:
        """A part has nobody to ask for a passphrase; OpenSSL would wait at the terminal."""
        raise InvalidArgument(
            f"TLS: {self.key} is encrypted; a part starts by itself, so it needs a key without a"
            f" passphrase: openssl pkey -in {self.key} -out plain.key"
        )

    def credentials(self) -> grpc.ServerCredentials:
        """What a gRPC server is given."""
        pair = (Path(self.key).read_bytes(), Path(self.certificate).read_bytes())
        return grpc.ssl_server_credentials([pair])
