"""The web face of the daemon: the page, the API, the WebSocket, the health checks and the numbers for Prometheus."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from igentai_orchestrator.shell.web.assets import load_assets
from igentai_orchestrator.shell.web.face import DaemonFace
from igentai_orchestrator.shell.web.guard import OPEN_PATHS, Guard
from igentai_orchestrator.shell.web.prometheus import PROMETHEUS_TYPE, exposition
from igentai_orchestrator.shell.web.replies import JsonResponse, answer_faults
from igentai_orchestrator.shell.web.routes import api_routes, faults
from igentai_orchestrator.shell.web.schemas import SignInAddress
from igentai_orchestrator.shell.web.sockets import Broadcast
from igentai_orchestrator.shell.web.tokens import Access


def create_app(face: DaemonFace, *, token: str | None, allowed_hosts: set[str], insecure: bool) -> FastAPI:
    """The ASGI application.

    Args:
        face: the daemon.
        token: what a program sends as Bearer token; None lets everyone in.
        allowed_hosts: names and addresses that a Host header may hold, with or without a port.
        insecure: served without TLS to other machines; the page then says so.

    `app.state.access` makes the one-time codes of sign-in addresses (`tokens.Access`).
    """
    access = Access(token)
    app = _Described(
        title="igentai",
        description="Every item that language models know about a topic.",
        docs_url=None,  # both load their code from a CDN
        redoc_url=None,
        default_response_class=JsonResponse,
    )
    app.state.access = access
    routers = (api_routes(face), _sign_in_routes(access), _health_routes(face), _page_routes(access))
    answer_faults(app, [route for router in routers for route in router.routes])
    for router in routers:
        app.include_router(router)
    broadcast = Broadcast(face, insecure=insecure)

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await broadcast.serve(websocket)

    app.add_middleware(Guard, access=access, allowed_hosts=allowed_hosts)
    return app


# Where a route itself answers with plain text.
_JSON_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": "not let in", "content": {"application/json": {}}} for status in (401, 403)
}


class _Described(FastAPI):
    """FastAPI, with what the guard wants written into the schema: it stands before every route and is none of them."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            schema.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
            for path in OPEN_PATHS & schema["paths"].keys():
                for operation in schema["paths"][path].values():
                    operation["security"] = []
        return super().openapi()


def _sign_in_routes(access: Access) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/sign-in", status_code=201, responses={201: {"model": SignInAddress}, **faults()})
    async def sign_in() -> Response:
        """A path that signs one browser in, once; for whoever has the token already."""
        return JsonResponse({"path": f"/?token={access.one_time_code()}" if access.needed else "/"}, status_code=201)

    return router


def _health_routes(face: DaemonFace) -> APIRouter:
    router = APIRouter(default_response_class=PlainTextResponse)

    def answer() -> Response:
        well, text = face.healthy()
        return PlainTextResponse(text + "\n", status_code=200 if well else 503)

    @router.get("/healthz")
    async def healthz() -> Response:
        """200 while results can be kept, 503 with the reason while they cannot."""
        return answer()

    @router.get("/readyz")
    async def readyz() -> Response:
        """200 once the daemon takes topics, 503 while it does not."""
        if not face.status().get("ready", True):
            return PlainTextResponse("starting or stopping\n", status_code=503)
        return answer()

    @router.get("/metrics", responses=_JSON_REFUSALS)
    async def metrics() -> Response:
        """The numbers in the text format of Prometheus."""
        return Response(exposition(face), media_type=PROMETHEUS_TYPE)

    return router


def _page_routes(access: Access) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    assets = load_assets()

    @router.get("/")
    async def page(request: Request, token: Annotated[str | None, Query(max_length=512)] = None) -> Response:
        if token is not None:
            if not access.redeem(token):
                return assets["locked.html"].response(status=401)
            response: Response = RedirectResponse("/", status_code=303)
            if access.needed:
                response.headers["set-cookie"] = access.cookie(secure=request.url.scheme == "https")
            return response
        if access.credential(request.headers.get("authorization"), request.cookies) is None:
            return assets["locked.html"].response(status=401)
        return assets["index.html"].response(request.headers.get("if-none-match"))

    @router.get("/favicon.svg")
    async def favicon(request: Request) -> Response:
        return assets["favicon.svg"].response(request.headers.get("if-none-match"))

    @router.get("/page/{name}")
    async def asset(request: Request, name: str) -> Response:
        if name not in assets or name.endswith(".html"):
            raise HTTPException(404, "there is no such file")
        return assets[name].response(request.headers.get("if-none-match"))

    return router
