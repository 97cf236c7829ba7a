"""Named refusals of key management."""

from core.errors import ProblemError


class KeysElsewhere(ProblemError):
    """This process was given its keys in memory (a test, a tool): there is nothing to manage."""

    code, status, title = "keys_elsewhere", 409, "本进程的密钥不在数据库中，无法管理"


class RunUnderWay(ProblemError):
    code, status, title = "key_run_under_way", 409, "已有密钥更换正在进行，请等待完成后再试"


class KeyInUse(ProblemError):
    code, status, title = "key_in_use", 409, "该密钥仍在使用，不能销毁"
