"""What a fault makes of a good answer or puts in its place."""

from __future__ import annotations

import gzip
import time
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from tests.doubles.answers import Answer, pieced, tokens

if TYPE_CHECKING:
    from tests.doubles.script import Fault

PAGE = b'<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>"content": "no"</body></html>'
HUGE = 3 * 1024 * 1024


def squeezed() -> bytes:
    """Three mebibytes of white space in three kibibytes."""
    return gzip.compress(b"[" + b" " * HUGE)


def spoiled(answer: Answer, fault: Fault | None) -> Answer:
    """The answer that a fault makes of `answer`."""
    name = fault.name if fault else ""
    if name == "length":
        text = answer.text[: max(1, len(answer.text) // 2)]
        return pieced(replace(answer, text=text, finish="length", tokens_out=tokens(text)))
    if name == "refusal":
        return pieced(replace(answer, text="", items=(), finish="refusal", tokens_out=0))
    if name == "refusal_mid":
        text = answer.text[: len(answer.text) // 2]
        return pieced(replace(answer, text=text, finish="refusal", tokens_out=tokens(text)))
    if name == "empty_reply":
        return pieced(replace(answer, text="", items=(), tokens_out=0))
    if name == "huge":
        line = answer.text.split("\n")[0] + "\n"
        return pieced(replace(answer, text=line * (HUGE // len(line.encode()))))
    return answer


def wait_headers(fault: Fault) -> dict[str, str]:
    if fault.wait_s is None or fault.wait_as == "body":
        return {}
    if fault.wait_as == "ms":
        return {"retry-after-ms": str(round(fault.wait_s * 1000))}
    if fault.wait_as == "date":
        return {"retry-after": formatdate(time.time() + fault.wait_s, usegmt=True)}
    return {"retry-after": f"{fault.wait_s:g}"}
