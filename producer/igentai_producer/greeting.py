"""Coming in: who a producer is, how it proves that, and how long it tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from igentai.errors import PeerUnproven
from igentai.messages import PROTOCOL_VERSION, Challenge, Hello, Welcome
from igentai.proof import NONCE_BYTES, Claims, orchestrator_proof, producer_proof, proves

if TYPE_CHECKING:
    from random import Random

BACKOFF_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this producer says it is. `run_id`: 32 hex digits; `slot` None for one that was not spawned."""

    run_id: str
    slot: int | None
    host: str
    pid: int

    @property
    def producer_id(self) -> str:
        """What people and the ledger call it."""
        return f"producer-{self.slot}" if self.slot is not None else f"{self.host}-{self.pid}"


class Greeting:
    """The handshake of one connection, from the producer's side. `nonce`: 32 fresh random bytes."""

    def __init__(self, identity: Identity, secret: bytes, nonce: bytes) -> None:
        self._identity = identity
        self._secret = secret
        self._nonce = nonce
        self._claims: Claims | None = None

    @property
    def introduced(self) -> bool:
        return self._claims is not None

    def answer(self, challenge: Challenge) -> Hello:
        """The Hello for a challenge.

        Raises:
            PeerUnproven: the challenge is none.
        """
        if self.introduced or len(challenge.nonce) != NONCE_BYTES:
            raise PeerUnproven("its challenge is not one of an igentai")
        who = self._identity
        self._claims = Claims(challenge.nonce, self._nonce, who.run_id, who.slot, PROTOCOL_VERSION)
        proof = producer_proof(self._secret, self._claims)
        return Hello(PROTOCOL_VERSION, who.slot, who.run_id, who.host, who.pid, self._nonce, proof)

    def check(self, welcome: Welcome) -> None:
        """Whether the orchestrator proved itself.

        Raises:
            PeerUnproven: it did not, or it had not asked anything yet.
        """
        if self._claims is None or not proves(orchestrator_proof(self._secret, self._claims), welcome.proof):
            raise PeerUnproven("who answered does not hold this run's secret: is it another orchestrator?")


class Patience:
    """How long to wait before the next try, and when to give up: 0.1·2ⁿ s up to 5 s, jittered, for `for_s` seconds."""

    def __init__(self, rng: Random, for_s: float) -> None:
        self._rng = rng
        self._for_s = for_s
        self._since: float | None = None
        self._tries = 0

    def start(self, now: float) -> None:
        """There is no connection from now on, if there was one."""
        if self._since is None:
            self._since = now

    def welcomed(self) -> None:
        self._since, self._tries = None, 0

    def next_try_s(self, now: float) -> float | None:
        """Seconds to wait; None when it has been too long."""
        self.start(now)
        assert self._since is not None
        if now - self._since >= self._for_s:
            return None
        ceiling = min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return self._rng.uniform(ceiling / 10, ceiling)
