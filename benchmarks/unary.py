"""A bare unary gRPC call, to compare round trips with: ``python -m benchmarks.unary PORT``.

The server answers with the bytes that it got, from a process of its own, as the master does.
"""

import asyncio
import sys

import grpc
import grpc.aio

from benchmarks.processes import Processes, free_port
from benchmarks.runner import timed

METHOD = "/benchmark.Bare/Echo"
SERVERS = 3  # one after the other


class _Bare(grpc.GenericRpcHandler):
    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Serve every method."""
        return grpc.unary_unary_rpc_method_handler(_echo)


async def _echo(request: bytes, context: object) -> bytes:
    return request


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Bare(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def unary_latencies(calls: int) -> list[float]:
    """Return the duration of each of about that many calls, in seconds, after a warm-up.

    They are spread over several servers: one may be twice as quick as the next, as the system
    has placed it.
    """
    return [seconds for _ in range(SERVERS) for seconds in _ask(max(1, calls // SERVERS))]


def _ask(calls: int) -> list[float]:
    processes = Processes()
    try:
        port = free_port()
        processes.start(sys.executable, "-m", "benchmarks.unary", str(port))
        processes.wait_for_port(port)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            for _ in range(50):
                call(b"1")
            return [timed(lambda: call(b"1")) for _ in range(calls)]
    finally:
        processes.stop()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
