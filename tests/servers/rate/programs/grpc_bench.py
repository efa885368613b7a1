# SPDX-License-Identifier: Apache-2.0
"""gRPC server and clients, without generated code: messages are bytes.

grpc_bench.py server|calls-1|calls-16|answers|down|up ADDRESS

A client runs for a second and prints "RATE P99 LONGEST UNIT": the times are milliseconds, of calls,
or between messages of a stream."""
import sys
import threading
import time
from concurrent import futures

import grpc

SECONDS = 1
PIECE = b"x" * 65536
OPTIONS = [("grpc.max_receive_message_length", -1)]


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/bench/echo":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        if details.method == "/bench/answer":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"x" * int(request))
        if details.method == "/bench/down":
            return grpc.unary_stream_rpc_method_handler(self.down)
        return grpc.stream_unary_rpc_method_handler(self.up)

    @staticmethod
    def down(_request, context):
        end = time.monotonic() + SECONDS
        while context.is_active() and time.monotonic() < end:
            yield PIECE

    @staticmethod
    def up(requests, _context):
        return str(sum(len(request) for request in requests)).encode()


def serve(address):
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[Handler()], options=OPTIONS)
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


def calls(channel, method, request, threads):
    """Calls by so many threads; prints calls per second."""
    call = channel.unary_unary(method)
    call(request)
    times = []
    end = time.monotonic() + SECONDS

    def work():
        while (began := time.monotonic()) < end:
            call(request, timeout=20)
            times.append(time.monotonic() - began)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    times.sort()
    print(len(times) / (time.monotonic() - began), times[int(len(times) * 0.99)] * 1000, times[-1] * 1000, "req/s")


def down(channel):
    began = last = time.monotonic()
    total, longest = 0, 0
    for message in channel.unary_stream("/bench/down")(b"", timeout=20):
        now = time.monotonic()
        longest = max(longest, now - last)
        last = now
        total += len(message)
    print(total / (last - began) / 1e6, "-", longest * 1000, "MB/s")


def up(channel):
    began = time.monotonic()

    def messages():
        while time.monotonic() < began + SECONDS:
            yield PIECE

    total = int(channel.stream_unary("/bench/up")(messages(), timeout=20))
    print(total / (time.monotonic() - began) / 1e6, "-", "-", "MB/s")


def main():
    load, address = sys.argv[1:]
    if load == "server":
        serve(address)
        return
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        if load.startswith("calls-"):
            calls(channel, "/bench/echo", b"x" * 100, int(load[6:]))
        elif load == "answers":
            calls(channel, "/bench/answer", b"100000", 4)
        elif load == "down":
            down(channel)
        else:
            up(channel)


main()
