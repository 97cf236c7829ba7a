"""Named errors of settings."""

from core.errors import Forbidden, InvalidRequest


class SettingInvalid(InvalidRequest):
    code, status, title = "setting_invalid", 422, "设置的值不符合要求"


class GroupSettingForbidden(Forbidden):
    code, status, title = "group_setting_forbidden", 403, "集团级设置只能由运营人员修改"
