"""The intake questions and the notice before a consultation: texts that patients read.

A changed notice gets a new version; the digest of what was shown is stored with each consent.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One yes-or-no question of the intake form; a red flag answered yes shows "call 120"."""

    id: str
    text: str
    red_flag: bool


QUESTIONS: tuple[Question, ...] = (
    Question("chest_pain", "是否正在胸痛、胸闷，或疼痛放射到左臂、后背、下颌？", True),
    Question("breathing", "是否呼吸困难、嘴唇发紫，或喘得说不出整句话？", True),
    Question("consciousness", "是否出现意识不清、昏倒或抽搐？", True),
    Question("stroke", "是否突然口角歪斜、一侧手脚无力或说话不清？", True),
    Question("bleeding", "是否大量出血、呕血或便血？", True),
    Question("poisoning", "是否误服药物、毒物，或发生严重过敏（喉头发紧、全身风团）？", True),
    Question("self_harm", "是否有伤害自己的想法？", True),
    Question("infant_fever", "如为婴儿：是否不满3个月且发热38℃以上，或精神差、拒奶？", True),
    Question("seen_here", "此次病情是否曾在本院就诊？", False),
    Question("diagnosed", "是否已有医生给出明确诊断？", False),
    Question("drug_allergy", "是否有药物过敏史？", False),
    Question("chronic_disease", "是否患有高血压、糖尿病等慢性病？", False),
    Question("pregnant", "是否怀孕、备孕或正在哺乳？", False),
    Question("taking_medicine", "目前是否正在服药？", False),
)

RED_FLAG_QUESTIONS: frozenset[str] = frozenset(q.id for q in QUESTIONS if q.red_flag)
QUESTION_IDS: frozenset[str] = frozenset(q.id for q in QUESTIONS)

EMERGENCY_TEXT = "您描述的情况可能危急，请立即拨打120或前往最近的急诊，不要等待线上回复。"
EMERGENCY_FOR_DOCTOR = "患者填写的病情含有危急信号，请优先判断是否需要立即就医。"

NOTICE_VERSION = "2026-11"
NOTICE_TITLE = "互联网复诊须知"
NOTICE_TEXT = """一、本服务仅面向常见病、慢性病的复诊患者。首次就诊、病情急重或需要当面\
检查的，请到医院就诊；如遇胸痛、呼吸困难、意识不清、大出血等情况，请立即拨打120。

二、请如实填写就诊人信息和病情，上传的图片和报告须为就诊人本人所有。6岁以下儿童问诊须由监护人陪同。

三、医生将根据您提供的资料给出诊疗意见。医生认为不适合线上复诊的，可以退诊，费用全额退回，并建议您到院就诊。

四、付款后请等待医生接诊；超过规定时间未接诊，系统自动取消，费用全额退回。

五、问诊中的文字、图片、语音以及病历资料依法加密保存，病历保存不少于15年，图文\
和音视频资料保存不少于3年，仅限诊疗、质量管理和依法监管使用。"""
RECORDING_TEXT = """视频问诊将全程录音录像，通话前和通话中都会显示录制标记。录制内容加密保存\
不少于3年，仅用于诊疗质量管理、纠纷处理和依法监管。您可以不同意录制；不同意的，可改为图文问诊或到院就诊，以医院安排为准。"""


def notice_document() -> bytes:
    """What the consent was given to, byte for byte, for its digest."""
    return "\n\n".join((NOTICE_VERSION, NOTICE_TITLE, NOTICE_TEXT, RECORDING_TEXT)).encode()
