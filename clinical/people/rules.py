"""Decisions about people: pure, `today` passed in.

Sources: GB 11643 (identity number), Measures for Internet Diagnosis and Treatment (2018) on the
three years of practice, Art. 19 on children under six; tenders S0-P-010 to S0-P-016, S1-077.
"""

import re
from dataclasses import dataclass
from datetime import date

from clinical.people import errors
from clinical.people.states import IdType, PatientKind, Relation
from core.errors import FieldProblem, InvalidRequest
from core.identity.id_numbers import IdNumber, IdNumberError, Sex, parse_id_number

ADULT_AGE = 18
_FORMATS: dict[IdType, re.Pattern[str]] = {
    IdType.PERMANENT_RESIDENCE: re.compile(r"[A-Z]{3}\d{12}|9\d{16}[\dX]"),
    IdType.HK_MACAO_PERMIT: re.compile(r"[HMC]\d{8}(\d{2})?"),
    IdType.PASSPORT: re.compile(r"[A-Z0-9]{5,17}"),
}
_TITLE_RANKS = {
    "主任医师": 4,
    "副主任医师": 3,
    "主治医师": 2,
    "住院医师": 1,
    "主任药师": 4,
    "副主任药师": 3,
    "主管药师": 2,
    "药师": 1,
}


@dataclass(frozen=True, kw_only=True)
class PersonForm:
    """What an account holder enters about a person, before it is checked."""

    kind: PatientKind
    name: str
    id_type: IdType
    id_number: str | None
    sex: Sex | None
    birth_date: date | None
    relation: Relation
    guardian_id_number: str | None


@dataclass(frozen=True, kw_only=True)
class CheckedPerson:
    """A person whose data agree with themselves; the registry has not been asked yet."""

    kind: PatientKind
    name: str
    id_type: IdType
    id_number: str | None
    sex: Sex
    birth_date: date
    guardian: IdNumber | None


def check_person(form: PersonForm, today: date, *, guardian_below_years: int) -> CheckedPerson:
    """The same checks beside every form; raises named errors with the field that is wrong."""
    number, sex, birth = form.id_number, form.sex, form.birth_date
    if form.id_type is IdType.IDENTITY_CARD:
        parsed = _identity_number("id_number", form.id_number, today)
        if (birth and birth != parsed.birth_date) or (sex and sex is not parsed.sex):
            raise _invalid("id_number", "身份证号与出生日期或性别不一致")
        number, sex, birth = parsed.number, parsed.sex, parsed.birth_date
    elif form.id_type is IdType.NONE:
        if form.kind is not PatientKind.CHILD:
            raise _invalid("id_type", "成人须提供证件")
        number = None
    else:
        number = (form.id_number or "").strip().upper()
        if not _FORMATS[form.id_type].fullmatch(number):
            raise _invalid("id_number", "证件号码格式不正确")
    if sex is None:
        raise _missing("sex", "请选择性别")
    if birth is None or birth > today:
        raise _missing("birth_date", "请填写正确的出生日期")
    guardian = _check_guardian(form, birth, today, guardian_below_years)
    return CheckedPerson(
        kind=form.kind,
        name=form.name.strip(),
        id_type=form.id_type,
        id_number=number,
        sex=sex,
        birth_date=birth,
        guardian=guardian,
    )


def _check_guardian(
    form: PersonForm, birth: date, today: date, below_years: int
) -> IdNumber | None:
    age = age_at(birth, today)
    if form.kind is PatientKind.CHILD and age >= ADULT_AGE:
        raise errors.NotAChild()
    if form.kind is not PatientKind.CHILD and age >= below_years:
        return None
    if not form.guardian_id_number:
        raise errors.GuardianRequired(
            fields=[FieldProblem("guardian.id_number", "请填写监护人身份证号")]
        )
    return check_guardian(form.guardian_id_number, today)


def check_guardian(text: str, today: date) -> IdNumber:
    """A guardian is an adult with an identity card. Raises IdNumberInvalid, GuardianMinor."""
    guardian = _identity_number("guardian.id_number", text, today)
    if age_at(guardian.birth_date, today) < ADULT_AGE:
        raise errors.GuardianMinor()
    return guardian


def _identity_number(field: str, text: str | None, today: date) -> IdNumber:
    try:
        return parse_id_number(text or "", today)
    except IdNumberError as error:
        raise _invalid(field, error.message) from error


def _invalid(field: str, message: str) -> errors.IdNumberInvalid:
    return errors.IdNumberInvalid(message, fields=[FieldProblem(field, message)])


def _missing(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, fields=[FieldProblem(field, message)])


def age_at(birth: date, today: date) -> int:
    """Completed years of life."""
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def guardian_needed(birth: date, today: date, *, child: bool, below_years: int) -> bool:
    """Below the age a guardian is bound and identified, and so for whoever was added as a child."""
    return child or age_at(birth, today) < below_years


def years_before(today: date, years: int) -> date:
    """The same day some years earlier; 29 February becomes 1 March."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:
        return date(today.year - years, 3, 1)


def age_text(birth: date, today: date) -> str:
    """How a paediatrician says it: 23天, 8个月, 6岁2个月, 35岁."""
    months = (today.year - birth.year) * 12 + today.month - birth.month - (today.day < birth.day)
    if months < 1:
        return f"{max((today - birth).days, 0)}天"
    if months < 12:
        return f"{months}个月"
    years, rest = divmod(months, 12)
    if years < ADULT_AGE and rest:
        return f"{years}岁{rest}个月"
    return f"{years}岁"


def may_practise(
    practice_start: date, licence_valid_until: date, today: date, *, years: int
) -> bool:
    """Licensed, in date, and long enough in practice to treat online."""
    return licence_valid_until >= today and age_at(practice_start, today) >= years


def title_rank(title: str) -> int:
    """How senior a title is, for sorting; unknown ones come last."""
    return _TITLE_RANKS.get(title, 0)


def pinyin_of(name: str) -> tuple[str, str]:
    """A name as typed on a keyboard: (`zhangmingyuan`, `zmy`)."""
    # Its dictionary takes half a second to load; only who writes a name needs it.
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(name, style=Style.NORMAL)
    initials = lazy_pinyin(name, style=Style.FIRST_LETTER)
    return "".join(syllables).lower(), "".join(initials).lower()
