"""How much of a limit eight producers use, and how often they are turned away: `python -m tests.benchmarks.limits`.

In simulated time, against buckets that let one second's worth of requests, or six seconds' of tokens, through at once.
"""

from __future__ import annotations

from igentai.errors import FailureKind
from igentai_orchestrator.core.arrangement import ProviderTerms
from tests.orchestrator.core.test_faulty_providers import AT_ONCE, FAULTS, LATENCY_S, WANTED, until_answered
from tests.orchestrator.core.test_outages import BACK, during_an_outage
from tests.orchestrator.core.test_rate_limits import START, Limited, at_work

MINUTES = 5


def used() -> None:
    print("| requests/min | tokens/min | keys | told by | used | 429s in the first second | after |")
    print("|---|---|---|---|---|---|---|")
    cases = [(60, None, 1), (600, None, 1), (1_000, None, 1), (None, 200_000, 1), (600, 150_000, 1), (300, None, 2)]
    for rpm, tpm, keys in cases:
        for tells in (False, True):
            provider = Limited(rpm, tpm, keys=keys, tells=tells)
            names = tuple(f"K{n}" for n in range(keys))
            said = (None, None) if tells else (rpm, tpm)
            work = at_work(provider, ProviderTerms("openai", None, True, *said, keys=names))
            work.run(START + 60 * MINUTES)
            since = START + (10 if tells else 1)
            share = provider.share_used(since, START + 60 * MINUTES)
            early = sum(at <= START + 1 for at in provider.turned_away)
            row = (rpm or "", tpm or "", keys, "replies" if tells else "igentai.toml", f"{share:.1%}", early)
            print("| " + " | ".join(map(str, (*row, len(provider.turned_away) - early))) + " |")


def faulty() -> None:
    ideal = WANTED / AT_ONCE * LATENCY_S
    took = sorted(until_answered(seed, FAULTS)[0] for seed in range(20))
    print(f"\n1,000 answers at 50 in flight: {took[10]:.1f} s, at worst of 20 {took[-1]:.1f} s; ideal {ideal:.1f} s")


def outage() -> None:
    for kind, seconds in ((FailureKind.SERVER, 0.2), (FailureKind.RESET, 0.01)):
        work, seen = during_an_outage(kind, seconds)
        opened = next(at for at, state in seen if state == "open")
        calls = sum(opened < call.sent < BACK for call in work.calls)
        failed = sum(call.sent < opened for call in work.calls if call.said.fails)
        back = seen[-1][0] - BACK
        print(
            f"outage of 60 s ({kind}): {failed} failed first, {calls} calls while open, ok {back:.1f} s after its end"
        )


if __name__ == "__main__":
    used()
    faulty()
    outage()
