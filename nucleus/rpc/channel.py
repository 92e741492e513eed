"""How every part opens a port for gRPC, or a channel to one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from nucleus.rpc.access import OPEN, Access

MAX_MESSAGE = 16 * 1024 * 1024  # bytes; above the largest legal request, so that we refuse it
MAX_STREAMS = 100  # calls under way on one connection; its further ones wait at the caller
MAX_CONNECTIONS = 4_000  # to one master: a thousand workers, and as many again of everybody else
HANDSHAKE = 10_000  # ms until a new connection has to speak HTTP/2 (and TLS); gRPC waits 120 s
SILENCE = 60_000  # ms after which a caller that says nothing is asked whether it is still there
ANSWER = 20_000  # ms that it has to answer
IDLE = 120_000  # ms after which a connection without any call is closed; the next call opens one

_LIMITS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
]
SERVER_OPTIONS = [
    *_LIMITS,
    # On by default, it lets a second server share the port silently, and calls split between
    # the two; off, the second one fails loudly.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
    ("grpc.server_handshake_timeout_ms", HANDSHAKE),
    ("grpc.keepalive_time_ms", SILENCE),
    ("grpc.keepalive_timeout_ms", ANSWER),
    ("grpc.max_connection_idle_ms", IDLE),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # Pings also probe the bandwidth of a busy connection; they are no attack.
    ("grpc.http2.max_ping_strikes", 0),
]
CHANNEL_OPTIONS = [
    *_LIMITS,
    # The environment's HTTP proxy is for web pages: it is not to see jobs and tokens.
    ("grpc.enable_http_proxy", 0),
    # A connection that swallows everything is noticed after 10 s, like a silent worker.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # In spite of its name the time that an attempt to connect may take, which a slow network needs.
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Channels to one address would otherwise share a connection, and so its faults.
    ("grpc.use_local_subchannel_pool", 1),
]


class TokenChannel:
    """A channel whose every call carries a token; as much of one as is needed here.

    An interceptor would do the same, but put objects of its own in the place of calls: these
    are the very same with a token as without, however they end.
    """

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self._channel = channel
        self._shown = (("authorization", f"Bearer {token}"),)

    def unary_unary(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Make a method with one answer."""
        return partial(self._channel.unary_unary(*arguments, **options), metadata=self._shown)

    def unary_stream(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Make a method with a stream of answers."""
        return partial(self._channel.unary_stream(*arguments, **options), metadata=self._shown)

    def stream_stream(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """Make a method with a stream of requests and one of answers."""
        return partial(self._channel.stream_stream(*arguments, **options), metadata=self._shown)

    async def close(self) -> None:
        """Drop the connection."""
        await self._channel.close()

    async def __aenter__(self) -> "TokenChannel":
        """Nothing to do."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drop the connection."""
        await self.close()


def open_channel(address: str, access: Access = OPEN) -> grpc.aio.Channel | TokenChannel:
    """A channel to ``HOST:PORT``; it connects, and reconnects with backoff, by itself."""
    if access.tls_ca:
        trusted = grpc.ssl_channel_credentials(Path(access.tls_ca).read_bytes())
        channel = grpc.aio.secure_channel(address, trusted, options=CHANNEL_OPTIONS)
    else:
        channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    return TokenChannel(channel, access.token) if access.token else channel
