"""What a hospital can set about people."""

from core.settings import declare

MAX_PATIENTS = declare(
    "people.max_patients",
    int,
    5,
    "就诊人上限",
    "每个账号最多可添加的就诊人数量",
    "人",
    minimum=1,
    maximum=50,
)
GUARDIAN_BELOW_YEARS = declare(
    "people.guardian_below_years",
    int,
    6,
    "须绑定监护人的年龄",
    "未满此年龄的就诊人必须绑定并核验监护人",
    "岁",
    minimum=0,
    maximum=18,
)
PRACTICE_YEARS = declare(
    "people.practice_years",
    int,
    3,
    "线上诊疗最低执业年限",
    "医师独立临床执业满此年限方可线上接诊",
    "年",
    minimum=0,
    maximum=40,
)
OTHER_DOCUMENTS = declare(
    "people.other_documents_without_check",
    bool,
    False,
    "非身份证就诊人可问诊",
    "护照、通行证等无法联网核验的证件，是否允许直接问诊",
)
HOME_BANNER = declare(
    "people.home_banner",
    str,
    "复诊不出门，医生在线接诊\n常见病、慢性病复诊，图文或视频沟通，诊后随时查看医生建议。",
    "首页横幅",
    "第一行为标题，其余为说明；留空则不显示",
    maximum=300,
)
HOME_NOTICE = declare(
    "people.home_notice",
    str,
    "线上仅提供复诊服务\n首次就诊或病情急重，请到医院就诊；紧急情况请立即拨打120。",
    "首页公告",
    "第一行为标题，其余为正文；留空则不显示",
    maximum=2000,
)
