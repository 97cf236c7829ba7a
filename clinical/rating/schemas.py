"""Shapes of the rating API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from clinical.people.schemas import DoctorRef


class GiveRating(BaseModel):
    """A patient's word about an ended consultation."""

    stars: int = Field(ge=1, le=5)
    tags: list[str] = Field(default_factory=list, max_length=8)
    comment: Annotated[str, StringConstraints(max_length=500)] = ""


class RatingShown(BaseModel):
    """A rating in a list, with the patient's name masked."""

    id: UUID
    consultation_id: UUID
    doctor: DoctorRef
    patient_name_masked: str
    stars: int
    tags: list[str]
    comment: str
    at: datetime
