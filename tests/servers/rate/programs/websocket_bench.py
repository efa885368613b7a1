# SPDX-License-Identifier: Apache-2.0
"""WebSocket server and clients on 127.0.0.1.

websocket_bench.py server|echo-1|echo-16|down|up|large PORT

A client runs for a second and prints "RATE P99 LONGEST UNIT": the times are milliseconds, of an
echo, or between messages in bulk."""
import asyncio
import sys
import time

import websockets

SECONDS = 1
SIZES = {"down": 65536, "up": 65536, "large": 4 << 20}
OPTIONS = {"max_size": None, "compression": None}


async def serve(socket, path=""):
    """What the first message says: echo what follows, send, or count what comes until "end"."""
    mode = await socket.recv()
    if mode == "echo":
        async for message in socket:
            await socket.send(message)
    elif mode == "up":
        total = 0
        async for message in socket:
            if message == "end":
                await socket.send(str(total))
                return
            total += len(message)
    else:
        message = b"x" * int(mode)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await socket.send(message)


async def echo(socket, times):
    await socket.send("echo")
    end = time.monotonic() + SECONDS
    while (began := time.monotonic()) < end:
        await socket.send(b"x" * 100)
        await socket.recv()
        times.append(time.monotonic() - began)


async def main():
    load, port = sys.argv[1:]
    if load == "server":
        async with websockets.serve(serve, "127.0.0.1", int(port), **OPTIONS):
            await asyncio.Future()
    address = f"ws://127.0.0.1:{port}"
    if load.startswith("echo-"):
        sockets = [await websockets.connect(address, **OPTIONS) for _ in range(int(load[5:]))]
        times = []
        began = time.monotonic()
        await asyncio.gather(*(echo(socket, times) for socket in sockets))
        took = time.monotonic() - began
        times.sort()
        print(len(times) / took, times[int(len(times) * 0.99)] * 1000, times[-1] * 1000, "req/s")
        return
    async with websockets.connect(address, **OPTIONS) as socket:
        began = last = time.monotonic()
        total, longest = 0, 0
        if load == "up":
            await socket.send("up")
            message = b"x" * SIZES[load]
            while time.monotonic() < began + SECONDS:
                await socket.send(message)
            await socket.send("end")
            total = int(await socket.recv())
            print(total / (time.monotonic() - began) / 1e6, "-", "-", "MB/s")
            return
        await socket.send(str(SIZES[load]))
        async for message in socket:
            now = time.monotonic()
            longest = max(longest, now - last)
            last = now
            total += len(message)
        print(total / (last - began) / 1e6, "-", longest * 1000, "MB/s")


asyncio.run(main())
