"""How producer and orchestrator prove to each other that they hold the run's secret.

    Challenge(nonce)  →  Hello(nonce, proof)  →  Welcome(proof)

HMAC-SHA256 over both nonces and what Hello claims. The two directions sign under different words, so that no side's
proof can be sent back to it as the other's. Pure: the callers draw the nonces with `secrets`.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Final

from igentai.errors import PeerUnproven, VersionMismatch
from igentai.messages import PROTOCOL_VERSION, Hello
from igentai.spool import is_run_id

NONCE_BYTES: Final = 32
SECRET_BYTES: Final = 32
LONGEST_HOST: Final = 255  # characters, as in DNS

_PRODUCER: Final = b"igentai producer v1"
_ORCHESTRATOR: Final = b"igentai orchestrator v1"


@dataclass(frozen=True, slots=True)
class Claims:
    """What both sides sign: the two nonces, and who the producer says it is."""

    challenge: bytes
    nonce: bytes
    run_id: str
    slot: int | None
    version: int


def producer_proof(secret: bytes, claims: Claims) -> bytes:
    """What a producer sends in Hello. 32 bytes."""
    return _proof(secret, _PRODUCER, claims)


def orchestrator_proof(secret: bytes, claims: Claims) -> bytes:
    """What the orchestrator sends in Welcome. 32 bytes."""
    return _proof(secret, _ORCHESTRATOR, claims)


def proves(expected: bytes, received: bytes) -> bool:
    """Whether a received proof is the expected one, in a time that does not depend on where they differ."""
    return hmac.compare_digest(expected, received)


def check_hello(secret: bytes, hello: Hello, challenge: bytes) -> bytes:
    """The orchestrator's answer to a Hello: its own proof, for the Welcome.

    Raises:
        VersionMismatch: the two sides are of different versions.
        PeerUnproven: the producer does not hold the secret, or says something no igentai says.
    """
    if hello.version != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"the producer speaks version {hello.version} of the protocol, this orchestrator {PROTOCOL_VERSION}: "
            "install the same igentai on both machines"
        )
    if not is_run_id(hello.run_id) or len(hello.nonce) != NONCE_BYTES or len(hello.host) > LONGEST_HOST:
        raise PeerUnproven("its Hello is not one of an igentai")
    claims = Claims(challenge, hello.nonce, hello.run_id, hello.slot, hello.version)
    if not proves(producer_proof(secret, claims), hello.proof):
        raise PeerUnproven("it does not hold this run's secret")
    return orchestrator_proof(secret, claims)


def _proof(secret: bytes, side: bytes, claims: Claims) -> bytes:
    slot = b"none" if claims.slot is None else b"%d" % claims.slot
    parts = (side, claims.challenge, claims.nonce, claims.run_id.encode(), slot, b"%d" % claims.version)
    signed = b"".join(struct.pack(">I", len(part)) + part for part in parts)  # lengths: no two claims sign alike
    return hmac.digest(secret, signed, hashlib.sha256)
