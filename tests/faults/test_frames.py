"""Bar 14: whatever a peer sends, nothing is raised, nobody unproven comes in, and the ledger stays sound.

The short runs are part of the ordinary tests; `scripts/torture --bars` fuzzes for three minutes.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final, get_args, get_type_hints

import msgpack
import pytest

from igentai.codec import Deframer, frame
from igentai.errors import FrameError, ProtocolError
from igentai.messages import Assign, Challenge, FromProducer, Hello, Ready, encode
from igentai.proof import Claims, orchestrator_proof, producer_proof
from igentai.text import is_clean, key
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.shell.listener.incoming import fact_of
from tests.orchestrator.core.floor import Floor, spec
from tests.orchestrator.shell.test_listener import NONCE, RUN_ID, SECRET, Desk, Peer, connected, serving
from tests.wire import answer, failure

HOSTILE: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -0.5, 1e308, 5e-324, math.nan, math.inf,
    -math.inf, "", "x", "\x00", "\x1b[2J", "\u202eevil", "../../etc/passwd", "a\nb", "é" * 40, "x" * 1025, "x" * 65_000,
    b"", b"\xff\xfe", b"x" * 1000, [], {}, [[]], [None], ["a", 1], {"type": "Ready"}, ["x"] * 1001, {"a": {"b": []}},
)  # fmt: skip
MANY_LINKS: Final = 50


class Source:
    """Messages as producers send them, and what could be made of them."""

    def __init__(self, seed: int, floor: Floor) -> None:
        self.rng, self.floor = random.Random(seed), floor

    def plain(self, run: str) -> dict[str, Any]:
        """A message of any kind, plausible for this desk."""
        rng = self.rng
        number = rng.choice([*(assign.assignment_id for _, assign in self.floor.assigned()[-8:]), rng.randrange(1, 99)])
        kind = rng.choice(get_args(FromProducer))
        if kind.__name__ == "AttributeBatch":
            items = [f"thing {rng.randrange(400)}" for _ in range(rng.randrange(9))]
            return encode(
                replace(answer(number, attributes=items, seq=rng.randrange(1, 40)), run_id=run, ledger="ledger-1")
            )
        if kind.__name__ == "RequestFailed":
            return encode(replace(failure(number, seq=rng.randrange(1, 40)), run_id=run, ledger="ledger-1"))
        return encode(self._any(kind))

    def _any(self, hint: Any) -> Any:
        """A value of a type by its hints: small and in order."""
        rng = self.rng
        simple: dict[Any, Callable[[], Any]] = {
            int: lambda: rng.randrange(4), float: rng.random, str: lambda: "x", bytes: lambda: b"x", bool: lambda: True,
        }  # fmt: skip
        if hint in simple:
            return simple[hint]()
        if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
            hints = get_type_hints(hint)
            return hint(**{field.name: self._any(hints[field.name]) for field in fields(hint)})
        if getattr(hint, "__origin__", None) in (list, dict, tuple):
            return hint.__origin__()
        parts = [part for part in get_args(hint) if part is not type(None)]
        return self._any(parts[0]) if parts else None

    def spoiled(self, plain: dict[str, Any]) -> bytes:
        """The message as a frame, with something wrong in values, shape or bytes; sometimes with nothing."""
        rng = self.rng
        for _ in range(rng.choice([0, 1, 1, 1, 2, 5])):
            self._spoil_value(plain)
        try:
            body = bytearray(msgpack.packb(plain))
        except (ValueError, OverflowError):
            body = bytearray(b"\xc1")
        for _ in range(rng.choice([0, 0, 0, 1, 3])):
            self._spoil_bytes(body)
        length = (
            len(body) if rng.random() < 0.95 else rng.choice([0, 1, len(body) - 1, len(body) + 1, 2**20, 2**32 - 1])
        )
        return struct.pack(">I", max(0, length)) + bytes(body)

    def _spoil_value(self, plain: Any) -> None:
        rng = self.rng
        place = plain
        while isinstance(place, dict) and place and rng.random() < 0.4:
            inner = [value for value in place.values() if isinstance(value, dict) and value]
            if not inner:
                break
            place = rng.choice(inner)
        if not isinstance(place, dict) or not place:
            return
        name = rng.choice(list(place))
        how = rng.random()
        if how < 0.7:
            place[name] = rng.choice(HOSTILE)
        elif how < 0.85:
            del place[name]
        else:
            place[rng.choice(["more", "type", "", "metadata"])] = rng.choice(HOSTILE)

    def _spoil_bytes(self, body: bytearray) -> None:
        rng = self.rng
        at = rng.randrange(len(body) + 1)
        how = rng.randrange(4)
        if how == 0 and body:
            body[at % len(body)] ^= 1 << rng.randrange(8)
        elif how == 1:
            del body[at : at + rng.randrange(1, 9)]
        elif how == 2:
            body[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            body[at:at] = rng.choice(
                [b"\xdd\xff\xff\xff\xff", b"\xdf\x00\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\x91" * 600]
            )


def fuzz(seed: int, *, frames: int, seconds: float = math.inf) -> Counter[str]:
    """Proven peers that send anything, into a desk at work. What became of the frames, by name."""
    floor = Floor(seed=seed)
    floor.open(spec(producers=2))
    source, rng = Source(seed, floor), random.Random(seed)
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + seconds
    sent = 0
    while sent < frames and time.monotonic() < end:
        link = floor.join(free=4)
        deframer = Deframer()
        for _ in range(rng.randrange(1, 60)):
            data = source.spoiled(source.plain(floor.runs[link]))
            sent += 1
            cut = rng.randrange(len(data) + 1)
            try:
                for piece in (data[:cut], data[cut:]):
                    for message in deframer.feed(piece):
                        outcomes[type(message).__name__] += 1
                        floor.happen(fact_of(link, message))
            except (FrameError, ProtocolError) as fault:
                outcomes[type(fault).__name__] += 1
                deframer = Deframer()  # it would be cut off here, and come back
            if rng.random() < 0.2:
                floor.commit()
                floor.tick(rng.uniform(0.0, 3.0))
            if any(isinstance(order, orders.Disconnect) and order.link == link for order in floor.orders):
                outcomes["disconnected by the desk"] += 1
                break
            del floor.orders[:-200]
        floor.happen(facts.ProducerLeft(link, "gone"))
        floor.commit()
        if sent % 7 == 0:
            floor.tick(rng.uniform(0.0, 40.0))
    outcomes["frames"] = sent
    sound(floor)
    return outcomes


def sound(floor: Floor) -> None:
    """The ledger holds whole lines, no key twice, numbers that follow on, and sums that are sums."""
    answers = [record for record in floor.ledger if isinstance(record, AnswerRecord)]
    texts = [text for record in answers for text in record.fresh]
    assert is_clean(texts)
    assert len({key(text) for text in texts}) == len(texts)
    number = 1
    for record in answers:
        assert record.first_number == number or not record.fresh
        number += len(record.fresh)
        assert all(0 < known < number for known in record.repeats)
        assert 0.0 <= record.cost_usd < math.inf
        assert record.tokens_in >= 0
        assert record.tokens_out >= 0
    assert len({(record.producer_run, record.seq) for record in answers}) == len(answers)


def test_spoiled_frames_of_proven_peers_raise_nothing_and_leave_the_ledger_sound() -> None:
    outcomes = Counter[str]()
    for seed in range(3):
        outcomes += fuzz(seed, frames=800)
    assert outcomes["FrameError"] > 200
    assert outcomes["AttributeBatch"] > 20, "some came through, or this shows nothing"


@pytest.mark.torture
def test_spoiled_frames_for_three_minutes() -> None:
    outcomes, seed, end = Counter[str](), 1000, time.monotonic() + 180
    while time.monotonic() < end:
        outcomes += fuzz(seed, frames=5000, seconds=end - time.monotonic())
        seed += 1
    print(f"\n{outcomes['frames']} frames: {dict(outcomes.most_common())}")


def test_the_desk_still_works_for_honest_producers_afterwards() -> None:
    floor = Floor(seed=1)
    floor.open(spec(producers=2))
    source = Source(1, floor)
    liar, honest = floor.join(free=4), floor.join(free=1)
    floor.commit()
    mine = [assign for link, assign in floor.assigned() if link == honest]
    deframer = Deframer()
    for _ in range(200):
        try:
            for message in deframer.feed(source.spoiled(source.plain(floor.runs[liar]))):
                floor.happen(fact_of(liar, message))
        except (FrameError, ProtocolError):
            deframer = Deframer()
    assert isinstance(mine[0], Assign)
    floor.answer(honest, mine[0], ["an honest thing"])
    floor.commit()
    assert any("an honest thing" in record.fresh for record in floor.ledger if isinstance(record, AnswerRecord))
    sound(floor)


# -- handshakes -----------------------------------------------------------------------------------------------

BAD_HANDSHAKES: Final = (
    "random proof", "empty proof", "truncated proof", "another secret", "another nonce", "another slot", "another run",
    "another version", "orchestrators proof", "recorded elsewhere", "own challenge back", "spoiled frame", "noise",
    "message before hello", "two hellos", "silence", "half a frame",
)  # fmt: skip


async def mishandle(peer: Peer, how: str, rng: random.Random, recorded: list[Hello]) -> None:
    """Introduce oneself wrongly."""
    challenge = await peer.hear()
    assert isinstance(challenge, Challenge)
    nonce = rng.randbytes(32)
    hello = Hello(
        1, rng.choice([None, 0, 3]), f"{rng.getrandbits(128):032x}", "host", rng.randrange(1, 2**22), nonce, b""
    )
    hello = replace(hello, version=challenge.version)
    claims = Claims(challenge.nonce, nonce, hello.run_id, hello.slot, hello.version)
    good = replace(hello, proof=producer_proof(SECRET, claims))
    wrong: dict[str, Callable[[], Hello]] = {
        "random proof": lambda: replace(hello, proof=rng.randbytes(32)),
        "empty proof": lambda: hello,
        "truncated proof": lambda: replace(good, proof=good.proof[: rng.randrange(32)]),
        "another secret": lambda: replace(hello, proof=producer_proof(rng.randbytes(32), claims)),
        "another nonce": lambda: replace(good, nonce=rng.randbytes(32)),
        "another slot": lambda: replace(good, slot=7),
        "another run": lambda: replace(good, run_id=RUN_ID),
        "another version": lambda: replace(good, version=challenge.version + 1),
        "orchestrators proof": lambda: replace(hello, proof=orchestrator_proof(SECRET, claims)),
        "recorded elsewhere": lambda: rng.choice(recorded),
        "own challenge back": lambda: replace(hello, nonce=challenge.nonce, proof=challenge.nonce),
    }
    if how in wrong:
        peer.say(wrong[how]())
    elif how == "spoiled frame":
        data = bytearray(frame(good))
        signed = rng.choice([good.proof, good.nonce, good.run_id.encode()])
        data[data.index(signed) + rng.randrange(len(signed))] ^= 1 << rng.randrange(8)
        peer.write(bytes(data))
    elif how == "noise":
        peer.write(rng.randbytes(rng.randrange(1, 5000)))
    elif how == "message before hello":
        peer.say(Ready(1))
    elif how == "two hellos":
        peer.say(replace(good, proof=rng.randbytes(32)), good)
    elif how == "half a frame":
        peer.write(frame(good)[: rng.randrange(1, 60)])
    peer.writer.write_eof()


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.torture)])
async def test_no_bad_handshake_is_let_in(count: int) -> None:
    desk, rng = Desk(), random.Random(count)
    recorded = [_recorded(rng) for _ in range(20)]
    desk.listener = desk.make(handshake_deadline_s=2.0)
    wrongs = [BAD_HANDSHAKES[n % len(BAD_HANDSHAKES)] for n in range(count)]

    async def knock(todo: list[str]) -> None:
        while todo:
            how = todo.pop()
            async with connected(desk) as peer:
                await mishandle(peer, how, rng, recorded)
                assert await peer.closed(), how

    desk.port = await desk.listener.start("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(desk.listener.serve())
        async with asyncio.TaskGroup() as knocking:
            for _ in range(MANY_LINKS):
                knocking.create_task(knock(wrongs))
        assert desk.facts == [], "nobody was let in, and the desk heard of nobody"
        async with connected(desk) as good:
            await good.join()
        desk.listener.close()
    refused = [line for line in desk.log.lines if line[0] == "listener.refused"]
    assert len(refused) == count


def _recorded(rng: random.Random) -> Hello:
    """A Hello that was good in another conversation."""
    run = f"{rng.getrandbits(128):032x}"
    nonce = rng.randbytes(32)
    claims = Claims(rng.randbytes(32), nonce, run, None, 1)
    return Hello(1, None, run, "host", 42, nonce, producer_proof(SECRET, claims))


async def test_a_good_handshake_is_let_in_by_the_same_words() -> None:
    """What the bad ones are variations of."""
    async with serving(Desk()) as desk, connected(desk) as peer:
        await peer.introduce(nonce=NONCE)
        await desk.until(facts.ProducerJoined)
