"""What the API takes and gives, for validation at the edge and for /openapi.json.

Requests are strict: an unknown name is refused, every text and number is bounded. Responses are described here and
written as the daemon gives them: their documents grow without a new version of the API.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Numbers that a JavaScript reader of the API holds exactly.
MAX_NUMBER = 2**53 - 1

Line: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
ModelKey: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, body: Any) -> Any:
        """JSON has one kind of number: 20.0 is a whole one, where `true` and "20" are none."""
        if not isinstance(body, dict):
            return body
        return {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in body.items()}


class TopicRequest(_Request):
    """A topic to start. The names are those of the flags of `igentai explore`; what is left out has its default."""

    topic: Line
    producers: int | None = Field(default=None, ge=1, le=256)
    providers: list[ModelKey] | None = Field(
        default=None, max_length=64, description="`provider:model` or `provider:model=share`; left out: those with keys"
    )
    max_requests: int | None = Field(default=None, ge=1, le=MAX_NUMBER)
    max_attributes: int | None = Field(default=None, ge=1, le=MAX_NUMBER)
    budget: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False, description="USD")
    max_minutes: float | None = Field(default=None, gt=0, le=1e7, allow_inf_nan=False)
    until_coverage: float | None = Field(
        default=None, gt=0, le=1, allow_inf_nan=False, description="stop when this share of the estimate is found"
    )
    min_yield: float | None = Field(
        default=None, ge=0, le=1e6, allow_inf_nan=False, description="stop below so many fresh attributes an answer"
    )
    saturation: bool = Field(default=True, description="stop when there is too little left")
    request_size: int | None = Field(default=None, ge=1, le=500, description="attributes asked for in one request")
    concurrency: int | None = Field(default=None, ge=1, le=64, description="requests in flight a producer")
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    prompt: str | None = Field(default=None, max_length=20_000)
    optimise: Literal["cost", "speed", "requests"] = "cost"
    policy: Literal["learned", "fixed", "round_robin"] = "learned"
    partition: Literal["auto", "none", "alphabetical", "categories"] = "auto"
    categories: list[Line] | None = Field(
        default=None, min_length=2, max_length=500, description="your own, in place of those that models name"
    )
    verify: bool = Field(default=False, description="have models spot-check each other's finds")
    near_duplicates: Literal["keep", "group"] = "group"
    seed: int = Field(default=0, ge=0, le=MAX_NUMBER)
    overwrite: bool = Field(default=False, description="start again and drop what an earlier run of this topic found")
    resume: bool = Field(default=False, description="go on with an earlier run of this topic")


class WeightsRequest(_Request):
    """Shares by `provider:model`; null gives one back to the policy."""

    weights: dict[ModelKey, Share | None] = Field(min_length=1, max_length=64)


class WatchMessage(_Request):
    """What a page says over the WebSocket: the topic it shows and the highest attribute number it holds.

    `watch` null follows whatever topic runs; `after` then says nothing.
    """

    watch: Annotated[str, StringConstraints(max_length=255)] | None = None
    after: int = Field(default=0, ge=0, le=MAX_NUMBER)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Fault(BaseModel):
    """Every answer with a status of 400 or more."""

    error: str = Field(description="one line: what happened and what to do")


class TopicRow(_Answer):
    """One topic, past, present or waiting."""

    id: str
    topic: str
    status: Literal["running", "queued", "finished", "stopped", "interrupted"] | str
    stop_reason: str | None = None
    unique_attributes: int = 0
    cost_usd: float = 0.0
    started: str | None = None
    updated: str | None = None


class MergedInto(BaseModel):
    """The earlier attribute that another one probably repeats in other words, and why."""

    number: int
    text: str
    reason: str


class AttributeRow(_Answer):
    """One attribute and where it came from. `number` is its line in output.txt."""

    number: int
    text: str
    provider: str
    model: str
    partition: str | None = None
    producer: str | None = None
    at: str | None = None
    times_named: int = 1
    merged_into: MergedInto | None = None


class Naming(BaseModel):
    """An answer that named an attribute again."""

    at: str
    provider: str
    model: str
    partition: str | None = None
    producer: str | None = None


class AttributeOrigin(AttributeRow):
    """One attribute with its whole origin. Tokens, cost and latency are those of the answer that brought it."""

    named_again: list[Naming] = Field(default=[], description="the first hundred answers that repeated it")
    variants: list[MergedInto] = Field(default=[], description="later attributes that probably repeat it")
    purpose: str | None = None
    prompt_hash: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    latency_ms: int | None = None


class AttributePage(BaseModel):
    """Ascending by number. `next` is the `after` of the following page, null at the end."""

    attributes: list[AttributeRow]
    next: int | None


class ProviderRow(_Answer):
    """One model that may be asked."""

    key: str
    state: str = "ok"
    weight: float | None = None
    set_weight: float | None = None


class StatusDocument(_Answer):
    """The daemon."""

    version: str | None = None
    pid: int | None = None
    uptime_s: float | None = None


class MetricsDocument(_Answer):
    """The numbers of a topic, as in its metrics.json."""

    topic: str | None = None
    status: str | None = None
    unique_attributes: int | None = None
    cost_usd: float | None = None


class SignInAddress(BaseModel):
    """A path that signs one browser in, once."""

    path: str
