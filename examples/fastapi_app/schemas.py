"""What the endpoints take and return."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

Direction = Literal["inbound", "outbound"]
Status = Literal["answered", "missed", "voicemail"]
Tag = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[a-z][a-z0-9-]*$")]


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CompanyOut(_FromRow):
    """The company that is asking."""

    id: str
    name: str
    country_code: str


class CountryOut(_FromRow):
    """A country and its dialling prefix."""

    code: str
    name: str
    prefix: str


class NumberOut(_FromRow):
    """A telephone number of the company."""

    id: int
    number: str
    label: str


class AgentOut(_FromRow):
    """Somebody who answers calls."""

    id: int
    name: str


class CommentIn(BaseModel):
    """A comment to be written."""

    text: str = Field(min_length=1, max_length=500)


class CommentOut(_FromRow):
    """A comment on a call."""

    id: int
    text: str
    written_at: datetime


class CallIn(BaseModel):
    """A call to be recorded."""

    number_id: int
    agent_id: int | None = None
    direction: Direction = "inbound"
    status: Status = "answered"
    caller: str = Field(pattern=r"^\+\d{6,18}$")
    seconds: int = Field(default=0, ge=0, le=86_400)


class CallChange(BaseModel):
    """What may be changed about a call; what is left out stays as it is."""

    agent_id: int | None = None
    status: Status | None = None
    seconds: int | None = Field(default=None, ge=0, le=86_400)


class CallOut(_FromRow):
    """A call in a list."""

    id: int
    started_at: datetime
    direction: Direction
    status: Status
    caller: str
    seconds: int
    number: NumberOut
    agent: AgentOut | None
    tags: list[str]

    @field_validator("tags", mode="before")
    @classmethod
    def _words(cls, tags: list[object]) -> list[object]:
        return [getattr(tag, "tag", tag) for tag in tags]


class CallDetail(CallOut):
    """A call with what was said about it."""

    comments: list[CommentOut]


class CallPage(BaseModel):
    """One page of calls, newest first, and how many there are in all."""

    total: int
    page: int
    size: int
    calls: list[CallOut]


class CallFilter(BaseModel):
    """Which calls a list, an export or a page is about."""

    status: Status | None = None
    direction: Direction | None = None
    number_id: int | None = None
    agent_id: int | None = None
    tag: Tag | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class PagedFilter(CallFilter):
    """Which calls, and which page of them."""

    page: int = Field(default=1, ge=1)
    size: int = Field(default=50, ge=1, le=200)


class BulkTag(BaseModel):
    """A word to put on many calls."""

    tag: Tag
    call_ids: list[int] = Field(min_length=1, max_length=500)


class BulkTagged(BaseModel):
    """How many calls did not carry the word before."""

    tagged: int


class AgentStatistics(_FromRow):
    """What one agent did."""

    name: str
    calls: int
    minutes: float


class NumberStatistics(_FromRow):
    """What happened on one number, silent ones included."""

    number: str
    label: str
    country: str
    calls: int
    missed: int


class DayStatistics(_FromRow):
    """What happened on one day."""

    day: date
    calls: int
    missed: int
    longest: int
