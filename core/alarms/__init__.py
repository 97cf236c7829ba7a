"""Alarms for the officers of a hospital: what a person must look at, kept until somebody has.

Purpose: break-glass access, a changed audit row, a lock-out, a key problem reach administrators and
supervisors at once, and stay open until one of them has resolved them with a word.
Announces: `AlarmRaised`, `AlarmSettled`.
Hears: nothing (`realtime` puts a notice into the officers' inboxes).

    await raise_alarm(uow, hospital_id, "break_glass", "紧急调阅", "陈安和紧急调阅了一位患者",
                      ("break_glass", row.id))
    await keep_alarms(uow, "keys", troubles)  # for a look that comes round again and again
"""

from core.alarms.service import Trouble, keep_alarms, raise_alarm

__all__ = ["Trouble", "keep_alarms", "raise_alarm"]
