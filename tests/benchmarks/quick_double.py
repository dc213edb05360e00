"""A chat completions server that costs next to nothing, so that what is measured is the client.

    python tests/benchmarks/quick_double.py --latency 0.2 --refuse 0.1 --fail 0.05 --ledger answered.txt

Prints its port, serves until killed. `--ledger` gets a line with the prompt of each request that is answered, as the
answer is sent: what was paid for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from pathlib import Path

import uvloop

BODY = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
    "choices": [{
        "index": 0, "logprobs": None, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "", "refusal": None},
    }],
    "usage": {"prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50},
}  # fmt: skip
BUSY = b'{"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}'
BROKEN = b'{"error": {"message": "The server had an error", "type": "server_error", "code": null}}'


class Served(asyncio.Protocol):
    flags: argparse.Namespace
    rng: random.Random
    ledger: object = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            body, self.data = self.data[end + 4 : end + 4 + length], self.data[end + 4 + length :]
            asyncio.get_running_loop().call_later(self.flags.latency, self.answer, body)

    def answer(self, body: bytes) -> None:
        if self.transport.is_closing():
            return
        chance = self.rng.random()
        if chance < self.flags.refuse:
            self.send("429 Too Many Requests", BUSY, "retry-after: 1\r\n")
        elif chance < self.flags.refuse + self.flags.fail:
            self.send("500 Internal Server Error", BROKEN)
        else:
            prompt = json.loads(body)["messages"][-1]["content"]
            if self.ledger is not None:
                self.ledger.write(prompt + "\n")  # type: ignore[attr-defined]
                self.ledger.flush()  # type: ignore[attr-defined]
            BODY["choices"][0]["message"]["content"] = f"An answer to: {prompt}. " + "It says a little more. " * 6  # type: ignore[index]
            self.send("200 OK", json.dumps(BODY).encode())

    def send(self, status: str, body: bytes, more: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def main() -> None:
    flags = argparse.ArgumentParser()
    flags.add_argument("--latency", type=float, default=0.2)
    flags.add_argument("--refuse", type=float, default=0.0)
    flags.add_argument("--fail", type=float, default=0.0)
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--ledger", type=Path)
    Served.flags = flags.parse_args()
    Served.rng = random.Random(Served.flags.seed)
    if Served.flags.ledger:
        Served.ledger = Served.flags.ledger.open("a")
    server = await asyncio.get_running_loop().create_server(Served, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
