"""From what a person said (flags, or the body of a POST) to a `TopicSpec` that can be run, or one line why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from igentai.errors import ConfigurationError, TopicError
from igentai.lines import legal_line
from igentai.prices import PriceTable
from igentai_orchestrator.choice import Choice
from igentai_orchestrator.core.agenda import Mode
from igentai_orchestrator.core.prompts import Style, style_of
from igentai_orchestrator.core.topic import Limits, ModelChoice, Optimise, PartitionMode, PolicyName, TopicSpec

LONGEST_TOPIC = 500


@dataclass(frozen=True, slots=True)
class Commission:
    """A topic as it was asked for. None: the default. The names are those of the flags."""

    topic: str
    providers: tuple[str, ...] = ()
    producers: int | None = None
    concurrency: int | None = None
    request_size: int | None = None
    prompt: str | None = None
    temperature: float | None = None
    max_attributes: int | None = None
    max_requests: int | None = None
    budget: float | None = None
    max_minutes: float | None = None
    until_coverage: float | None = None
    min_yield: float | None = None
    saturation: bool = True
    optimise: Optimise = "cost"
    policy: PolicyName = "learned"
    partition: PartitionMode = "auto"
    categories: tuple[str, ...] = field(default=())
    verify: bool = False
    near_duplicates: str = "group"
    seed: int = 0
    overwrite: bool = False
    resume: bool = False


def spec_of(asked: Commission, choice: Choice, folder: str, producers: int) -> TopicSpec:
    """The topic as it will run."""
    return TopicSpec(
        topic=checked_topic(asked.topic),
        folder=folder,
        models=choice.models,
        prompt=asked.prompt,
        producers=asked.producers or producers,
        concurrency=asked.concurrency or 2,
        request_size=asked.request_size,
        temperature=asked.temperature,
        limits=Limits(
            max_attributes=asked.max_attributes,
            max_requests=asked.max_requests,
            budget_usd=asked.budget,
            max_minutes=asked.max_minutes,
            until_coverage=asked.until_coverage,
            min_yield=asked.min_yield,
            saturation=asked.saturation,
        ),
        optimise=asked.optimise,
        policy=asked.policy,
        partition=_partition(asked, choice.models),
        categories=asked.categories,
        near_duplicates="keep" if asked.near_duplicates == "keep" else "group",
        verify=asked.verify,
        seed=asked.seed,
    )


def _partition(asked: Commission, models: tuple[ModelChoice, ...]) -> PartitionMode:
    """How the topic is cut. Models too small to name categories are asked about the whole of it."""
    if asked.categories:
        return "categories"
    small = all(style_of(model.key) is Style.small for model in models)
    return "none" if asked.partition == "auto" and small else asked.partition


def checked_topic(topic: str) -> str:
    """The topic in one line, without what a terminal or a reader could be fooled by.

    Raises:
        TopicError: it is empty or longer than 500 characters.
    """
    line = legal_line(topic)
    if not line:
        raise TopicError('the topic is empty; say what you want listed, for instance "dog breeds"')
    if len(line) > LONGEST_TOPIC:
        raise TopicError(
            f"the topic has {len(line)} characters; say it in at most {LONGEST_TOPIC} and put the rest in --prompt"
        )
    return line


def mode_of(asked: Commission, existing: str | None) -> Mode:
    """Whether to make, overwrite or resume.

    Raises:
        TopicError: the topic is there and nothing says what to do with it, or both were said.
    """
    if asked.overwrite and asked.resume:
        raise TopicError("--overwrite and --resume contradict each other; say one")
    if existing is None:
        return "new"
    if asked.overwrite:
        return "overwrite"
    if asked.resume:
        return "resume"
    raise TopicError(
        f"the topic {asked.topic!r} is there already (folder {existing}); say --resume to go on with it or "
        "--overwrite to start again"
    )


def check_prices(models: tuple[ModelChoice, ...], budget: float | None, prices: PriceTable) -> None:
    """A budget can be held only where every price is known.

    Raises:
        ConfigurationError: it names the first model without a price and the lines that set one.
    """
    if budget is None:
        return
    for model in models:
        if prices.price(model.provider, model.model) is None:
            raise ConfigurationError(
                f"--budget needs the price of {model.key}, which is in no price list; add to igentai.toml: "
                f'[prices."{model.key}"] input = … output = … (USD per million tokens), or leave --budget out'
            )


def read_categories(path: Path) -> tuple[str, ...]:
    """A person's own categories, one a line.

    Raises:
        ConfigurationError: the file cannot be read or holds fewer than two.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--categories {path} cannot be read as UTF-8 text: {error}") from None
    found = tuple(dict.fromkeys(line for line in lines if line))
    if len(found) < 2:
        raise ConfigurationError(f"--categories {path} holds {len(found)} categories; give at least two, one a line")
    return found
