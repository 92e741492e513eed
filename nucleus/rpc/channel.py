"""How every part opens a port for gRPC, or a channel to one."""

import grpc
import grpc.aio

MAX_MESSAGE = 16 * 1024 * 1024  # bytes; above the largest legal request, so that we refuse it

_LIMITS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
]
SERVER_OPTIONS = [
    *_LIMITS,
    # On by default, it lets a second server share the port silently, and calls split between
    # the two; off, the second one fails loudly.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # Pings also probe the bandwidth of a busy connection; they are no attack.
    ("grpc.http2.max_ping_strikes", 0),
]
CHANNEL_OPTIONS = [
    *_LIMITS,
    # A connection that swallows everything is noticed after 10 s, like a silent worker.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Channels to one address would otherwise share a connection, and so its faults.
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to ``HOST:PORT``; it connects, and reconnects with backoff, by itself."""
    return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
