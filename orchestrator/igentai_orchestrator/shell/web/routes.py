"""The API. Every handler is thin: validate, ask the face, answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, nullcontext
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from igentai_orchestrator.shell.web.face import DaemonFace, Document, ExportFormat
from igentai_orchestrator.shell.web.replies import JsonResponse
from igentai_orchestrator.shell.web.schemas import (
    MAX_NUMBER,
    AttributeOrigin,
    AttributePage,
    AttributeRow,
    Fault,
    MetricsDocument,
    ProviderRow,
    StatusDocument,
    TopicRequest,
    TopicRow,
    WeightsRequest,
)

TopicId = Annotated[str, Path(min_length=1, max_length=255, description="the name of the topic's folder")]
AttributeNumber = Annotated[int, Path(ge=1, le=MAX_NUMBER)]
Filter = Annotated[str | None, Query(min_length=1, max_length=200)]

_EXPORT_TYPES: Final[dict[str, str]] = {
    "txt": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "sqlite": "application/vnd.sqlite3",
}
_EXPORT_PIECE: Final = 64 * 1024
_EXPORT_ENDINGS: Final[dict[str, str]] = {"sqlite": "db"}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What is answered instead, for the schema: those of the guard, and `statuses`."""
    return {status: {"model": Fault} for status in (401, 403, *statuses)}


def api_routes(face: DaemonFace) -> APIRouter:
    """Everything under /api."""
    router = APIRouter(prefix="/api", default_response_class=JsonResponse)
    _add_daemon(router, face)
    _add_topics(router, face)
    _add_results(router, face)
    return router


def _add_daemon(router: APIRouter, face: DaemonFace) -> None:
    @router.get("/status", responses={200: {"model": StatusDocument}, **faults()})
    async def status() -> Response:
        """The daemon: its version, what runs, what waits, its producers, its storage, its alerts."""
        return JsonResponse(face.status())

    @router.get("/providers", responses={200: {"model": list[ProviderRow]}, **faults()})
    async def providers() -> Response:
        """The models that are asked, with their shares; where no topic runs, those that would be."""
        return JsonResponse(face.providers())

    @router.patch("/providers", responses={200: {"model": list[ProviderRow]}, **faults(400, 409, 413, 422)})
    async def set_weights(request: WeightsRequest) -> Response:
        """Set shares; null gives one back to the policy."""
        return JsonResponse(await face.set_weights(dict(request.weights)))


def _add_topics(router: APIRouter, face: DaemonFace) -> None:
    @router.get("/topics", responses={200: {"model": list[TopicRow]}, **faults()})
    async def topics() -> Response:
        """Every topic in the outputs folder, with what it is doing."""
        return JsonResponse(face.topics())

    @router.post("/topics", status_code=201, responses={201: {"model": TopicRow}, **faults(400, 409, 413, 422, 503)})
    async def start(request: TopicRequest) -> Response:
        """Start a topic, or queue it behind the one that runs."""
        return JsonResponse(await face.start_topic(request), status_code=201)

    @router.get("/topics/{topic_id}", responses={200: {"model": TopicRow}, **faults(404, 422)})
    async def topic(topic_id: TopicId) -> Response:
        """One topic."""
        return JsonResponse(_row(face, topic_id))

    @router.post("/topics/{topic_id}/stop", responses={200: {"model": TopicRow}, **faults(400, 404, 409, 422)})
    async def stop(topic_id: TopicId) -> Response:
        """End a running topic, keeping what it has, or take a waiting one out of the queue."""
        _row(face, topic_id)
        return JsonResponse(await face.stop_topic(topic_id))

    @router.post("/topics/{topic_id}/resume", responses={200: {"model": TopicRow}, **faults(400, 404, 409, 422, 503)})
    async def resume(topic_id: TopicId) -> Response:
        """Go on with a topic that ended."""
        _row(face, topic_id)
        return JsonResponse(await face.resume_topic(topic_id))


def _add_results(router: APIRouter, face: DaemonFace) -> None:
    @router.get("/topics/{topic_id}/metrics", responses={200: {"model": MetricsDocument}, **faults(404, 422)})
    async def metrics(topic_id: TopicId) -> Response:
        """The numbers of a topic, as in its metrics.json."""
        document = face.metrics(topic_id)
        if document is None:
            raise _unknown_topic()
        return JsonResponse(document)

    @router.get("/topics/{topic_id}/attributes", responses={200: {"model": AttributePage}, **faults(404, 422, 503)})
    async def attributes(
        topic_id: TopicId,
        after: Annotated[int, Query(ge=0, le=MAX_NUMBER, description="only numbers above this one")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        search: Filter = None,
        partition: Filter = None,
        provider: Filter = None,
    ) -> Response:
        """Attributes in the order of their numbers, with where each came from."""
        _row(face, topic_id)
        rows = await face.attributes(topic_id, after, limit, search, partition, provider)
        following = rows[-1]["number"] if len(rows) == limit else None
        return JsonResponse({"attributes": rows, "next": following})

    @router.get(
        "/topics/{topic_id}/attributes/{number}", responses={200: {"model": AttributeOrigin}, **faults(404, 422, 503)}
    )
    async def attribute(topic_id: TopicId, number: AttributeNumber) -> Response:
        """One attribute: who named it first and who again, and what probably is the same."""
        _row(face, topic_id)
        origin = await face.attribute(topic_id, number)
        if origin is None:
            raise _unknown_attribute(number)
        return JsonResponse(origin)

    @router.post(
        "/topics/{topic_id}/attributes/{number}/separate",
        responses={200: {"model": AttributeRow}, **faults(404, 409, 422, 503)},
    )
    async def separate(topic_id: TopicId, number: AttributeNumber) -> Response:
        """Take an attribute out of its group of near-duplicates, for good: it is not the same as the earlier one."""
        _row(face, topic_id)
        try:
            return JsonResponse(await face.separate(topic_id, number))
        except LookupError:
            raise _unknown_attribute(number) from None

    @router.get(
        "/topics/{topic_id}/export",
        responses={200: {"content": {kind: {} for kind in _EXPORT_TYPES.values()}}, **faults(404, 409, 422, 503)},
    )
    async def export(topic_id: TopicId, fmt: Annotated[ExportFormat, Query(alias="format")] = "txt") -> Response:
        """The attributes as a file to download."""
        _row(face, topic_id)
        return await _download(face.export(topic_id, fmt), topic_id, fmt)


async def _download(pieces: AsyncIterator[bytes], topic_id: str, fmt: ExportFormat) -> Response:
    # The first piece is read before the status is sent, so that what cannot be exported is an error and not a stub.
    first = await anext(pieces, b"")

    async def body() -> AsyncIterator[bytes]:
        # A browser may leave in the middle: what the pieces are read from is closed then, not when memory runs short.
        async with aclosing(pieces) if isinstance(pieces, AsyncGenerator) else nullcontext():
            gathered = bytearray(first)
            async for piece in pieces:
                gathered += piece
                if len(gathered) >= _EXPORT_PIECE:
                    yield bytes(gathered)
                    gathered.clear()
                    await asyncio.sleep(0)  # others are served between the pieces, and a lost client is noticed
            yield bytes(gathered)

    name = f"{_plain(topic_id)}.{_EXPORT_ENDINGS.get(fmt, fmt)}"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body(), media_type=_EXPORT_TYPES[fmt], headers=headers)


def _plain(topic_id: str) -> str:
    """A file name of harmless ASCII; the folder name may be in any script."""
    kept = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_" for sign in topic_id)
    return kept[:100].strip("_") or "topic"


def _row(face: DaemonFace, topic_id: str) -> Document:
    for row in face.topics():
        if row.get("id") == topic_id:
            return row
    raise _unknown_topic()


def _unknown_attribute(number: int) -> HTTPException:
    return HTTPException(404, f"there is no attribute {number} in this topic")


def _unknown_topic() -> HTTPException:
    return HTTPException(404, "there is no such topic; GET /api/topics lists them")
