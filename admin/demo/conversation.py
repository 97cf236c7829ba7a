"""What doctor and patient say to each other in a demo consultation."""

from typing import Literal

from admin.demo.dice import Dice
from admin.demo.texts import (
    FAREWELLS,
    FOLLOW_UPS,
    GREETINGS,
    PATIENT_GREETINGS,
    THANKS,
    WORRIES,
    Illness,
)

Line = tuple[Literal["doctor", "patient"], str]


def conversation(dice: Dice, doctor: str, illness: Illness) -> list[Line]:
    """Eight to fourteen lines from greeting to farewell."""
    lines: list[Line] = [
        ("patient", dice.choice(PATIENT_GREETINGS)),
        ("doctor", dice.choice(GREETINGS).format(doctor=f"{doctor[0]}医生")),
        ("doctor", illness.question),
        ("patient", illness.answer),
    ]
    for question, answer in dice.sample(FOLLOW_UPS, dice.between(0, 2)):
        lines += [("doctor", question), ("patient", answer)]
    lines.append(("doctor", illness.counsel))
    for worry, comfort in dice.sample(WORRIES, dice.between(0, 1)):
        lines += [("patient", worry), ("doctor", comfort)]
    lines += [("patient", dice.choice(THANKS)), ("doctor", dice.choice(FAREWELLS))]
    return lines
