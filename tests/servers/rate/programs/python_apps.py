# SPDX-License-Identifier: Apache-2.0
"""The same small site for WSGI, ASGI and aiohttp: the files of $WWW, /sink, which reads what is sent
there, and, with aiohttp, /events. As a program: aiohttp on a port."""
import os
import sys

WWW = os.environ["WWW"]
PIECE = 65536
EVENT = b"data: " + b"x" * 100 + b"\n\n"


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sink":
        while environ["wsgi.input"].read(PIECE):
            pass
        start_response("200 OK", [("Content-Length", "0")])
        return []
    name = WWW + path
    start_response("200 OK", [("Content-Length", str(os.path.getsize(name)))])
    return environ["wsgi.file_wrapper"](open(name, "rb"), PIECE)


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/sink":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    name = WWW + scope["path"]
    length = str(os.path.getsize(name)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    with open(name, "rb") as file:
        while data := file.read(PIECE):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def aiohttp_app():
    from aiohttp import web

    async def files(request):
        return web.FileResponse(WWW + request.path)

    async def sink(request):
        async for _ in request.content.iter_any():
            pass
        return web.Response()

    async def events(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(10000):
            await response.write(EVENT)
        return response

    app = web.Application(client_max_size=1 << 30)
    app.router.add_put("/sink", sink)
    app.router.add_get("/events", events)
    app.router.add_get("/{name}", files)
    return app


if __name__ == "__main__":
    from aiohttp import web

    web.run_app(aiohttp_app(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None)
