from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import PeerUnproven, VersionMismatch
from igentai.messages import PROTOCOL_VERSION, Hello
from igentai.proof import Claims, check_hello, orchestrator_proof, producer_proof, proves

SECRET = b"s" * 32
CHALLENGE, NONCE = b"c" * 32, b"n" * 32
CLAIMS = Claims(CHALLENGE, NONCE, "a" * 32, 3, PROTOCOL_VERSION)
HELLO = Hello(PROTOCOL_VERSION, 3, "a" * 32, "host", 42, NONCE, producer_proof(SECRET, CLAIMS))

claims = st.builds(
    Claims,
    challenge=st.binary(max_size=4),
    nonce=st.binary(max_size=4),
    run_id=st.text("ab1", max_size=4),
    slot=st.none() | st.integers(0, 20),
    version=st.integers(0, 20),
)


def test_a_producer_that_knows_the_secret_is_let_in_and_told_so() -> None:
    assert proves(orchestrator_proof(SECRET, CLAIMS), check_hello(SECRET, HELLO, CHALLENGE))


@given(claims, claims)
def test_two_different_claims_never_share_a_proof(one: Claims, other: Claims) -> None:
    assert (producer_proof(SECRET, one) == producer_proof(SECRET, other)) == (one == other)


@given(claims)
def test_neither_sides_proof_serves_as_the_others(claim: Claims) -> None:
    assert not proves(producer_proof(SECRET, claim), orchestrator_proof(SECRET, claim))


@pytest.mark.parametrize(
    "hello",
    [
        pytest.param(replace(HELLO, proof=b""), id="no proof"),
        pytest.param(replace(HELLO, proof=HELLO.proof[:-1]), id="part of the proof"),
        pytest.param(replace(HELLO, proof=producer_proof(b"t" * 32, CLAIMS)), id="another secret"),
        pytest.param(replace(HELLO, proof=orchestrator_proof(SECRET, CLAIMS)), id="the orchestrator's proof reflected"),
        pytest.param(replace(HELLO, slot=None), id="another slot than was signed"),
        pytest.param(replace(HELLO, run_id="b" * 32), id="another run than was signed"),
        pytest.param(replace(HELLO, run_id="../" + "a" * 29), id="a run id that is a path"),
        pytest.param(replace(HELLO, nonce=b"n"), id="a short nonce"),
        pytest.param(replace(HELLO, host="h" * 256), id="an endless host name"),
    ],
)
def test_nobody_else_is_let_in(hello: Hello) -> None:
    with pytest.raises(PeerUnproven):
        check_hello(SECRET, hello, CHALLENGE)


def test_a_proof_is_good_for_one_challenge_only() -> None:
    with pytest.raises(PeerUnproven):
        check_hello(SECRET, HELLO, b"d" * 32)


def test_another_version_is_told_what_to_do() -> None:
    with pytest.raises(VersionMismatch, match="install the same igentai on both machines"):
        check_hello(SECRET, replace(HELLO, version=PROTOCOL_VERSION + 1), CHALLENGE)
