"""Citizen identity numbers (GB 11643-1999): check digit, birth date, sex and region. Pure.

Eighteen characters: six for the region, eight for the birth date, three for the order (odd: male),
one check digit (ISO 7064 MOD 11-2, X for ten). The permanent residence card of foreigners (2023)
follows the same scheme: it begins with 9, then two digits of the province and three of the
nationality.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

_WEIGHTS = tuple(2 ** (17 - place) % 11 for place in range(17))
_CHECK_DIGITS = "10X98765432"
OLDEST_YEARS = 130

PROVINCES: dict[str, str] = {
    "11": "北京市",
    "12": "天津市",
    "13": "河北省",
    "14": "山西省",
    "15": "内蒙古自治区",
    "21": "辽宁省",
    "22": "吉林省",
    "23": "黑龙江省",
    "31": "上海市",
    "32": "江苏省",
    "33": "浙江省",
    "34": "安徽省",
    "35": "福建省",
    "36": "江西省",
    "37": "山东省",
    "41": "河南省",
    "42": "湖北省",
    "43": "湖南省",
    "44": "广东省",
    "45": "广西壮族自治区",
    "46": "海南省",
    "50": "重庆市",
    "51": "四川省",
    "52": "贵州省",
    "53": "云南省",
    "54": "西藏自治区",
    "61": "陕西省",
    "62": "甘肃省",
    "63": "青海省",
    "64": "宁夏回族自治区",
    "65": "新疆维吾尔自治区",
    "71": "台湾省",
    "81": "香港特别行政区",
    "82": "澳门特别行政区",
    "83": "台湾居民居住证",
}


class Sex(StrEnum):
    """As printed on the card."""

    MALE = "male"
    FEMALE = "female"


class IdNumberError(ValueError):
    """A number that cannot be one. `code` is stable, the text a Chinese sentence for the form."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class IdNumber:
    """What a valid number says. `number` is upper case; `foreign` marks the residence card."""

    number: str
    birth_date: date
    sex: Sex
    region_code: str
    province: str
    foreign: bool


def parse_id_number(text: str, today: date) -> IdNumber:
    """Read and check a number as typed. `today` is the hospital's business day.

    Raises `IdNumberError` with the code length, old_length, characters, region, birth_date,
    birth_date_future, birth_date_too_old or check_digit.
    """
    number = text.strip().upper()
    if len(number) == 15 and number.isascii() and number.isdigit():
        raise IdNumberError("old_length", "请填写18位身份证号，15位号码已停用")
    if len(number) != 18:
        raise IdNumberError("length", "身份证号应为18位")
    if not (number[:17].isascii() and number[:17].isdigit() and number[17] in "0123456789X"):
        raise IdNumberError("characters", "身份证号应为数字，最后一位可以是 X")
    foreign = number[0] == "9"
    province = PROVINCES.get(number[1:3] if foreign else number[:2])
    if province is None:
        raise IdNumberError("region", "身份证号的地区代码不存在")
    birth_date = _birth_date(number[6:14], today)
    if check_digit(number[:17]) != number[17]:
        raise IdNumberError("check_digit", "身份证号校验位不正确")
    sex = Sex.MALE if int(number[16]) % 2 else Sex.FEMALE
    return IdNumber(number, birth_date, sex, number[:6], province, foreign)


def check_digit(first_seventeen: str) -> str:
    """The eighteenth character that belongs to seventeen digits."""
    total = sum(
        int(digit) * weight for digit, weight in zip(first_seventeen, _WEIGHTS, strict=True)
    )
    return _CHECK_DIGITS[total % 11]


def _birth_date(digits: str, today: date) -> date:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError as error:
        raise IdNumberError("birth_date", "身份证号中的出生日期不存在") from error
    if born > today:
        raise IdNumberError("birth_date_future", "身份证号中的出生日期晚于今天")
    if today.year - born.year > OLDEST_YEARS:
        raise IdNumberError("birth_date_too_old", "身份证号中的出生日期过早")
    return born
