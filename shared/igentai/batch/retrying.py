"""Whether a failed call is made again: `igentai.retry`, within what a person said of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igentai.errors import FailureKind
from igentai.retry import GiveUp, ProviderOut, Retry, Verdict, decide

if TYPE_CHECKING:
    from random import Random

    from igentai.batch.options import Options
    from igentai.batch.route import Route
    from igentai.errors import ProviderError


def again(error: ProviderError, tries: int, options: Options, rng: Random, route: Route) -> Verdict:
    """The verdict on a failure.

    Args:
        tries: calls made for this prompt, those turned away with a 429 left out; from 1.

    A retry list replaces the rule of which failures are worth another call. A key, an account or a model that is no
    good stays out whatever the list says.
    """
    most_tries = options.max_retries + 1
    verdict = decide(
        error.kind,
        tries,
        error.retry_after_s,
        rng,
        provider=route.provider,
        model=route.model,
        most_tries=most_tries,
        first_delay_s=options.retry_delay,
    )
    if options.max_retries == 0 and not isinstance(verdict, ProviderOut):
        return GiveUp("asking again was ruled out")
    if options.retry_on is None or isinstance(verdict, ProviderOut):
        return verdict
    if not _listed(error, options.retry_on):
        return GiveUp("this failure is not on the retry list")
    if isinstance(verdict, Retry):
        return verdict
    if tries >= most_tries:
        return GiveUp(f"{route.provider} failed {tries} times")
    # A refusal that the list names: as for a fault of the server.
    return decide(
        FailureKind.SERVER, tries, error.retry_after_s, rng, most_tries=most_tries, first_delay_s=options.retry_delay
    )


def _listed(error: ProviderError, retry_on: frozenset[int | str]) -> bool:
    return error.kind.value in retry_on or (error.status is not None and error.status in retry_on)
