"""The intake questions: texts that patients read. The notice is a text of `clinical.consent`."""

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
