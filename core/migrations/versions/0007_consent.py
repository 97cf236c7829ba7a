"""Trust: consent.

Brings the group's default texts, and takes over what people agreed to before: the acceptances of
the agreements, and the notice and the recording choice of each consultation.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from core.crypto.sm import sm3

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: Before any consent that could exist.
SINCE = datetime(2025, 1, 1, tzinfo=UTC)


class _Text(NamedTuple):
    number: str
    kind: str
    version: str
    title: str
    summary: str
    body: str
    purposes: list[dict[str, Any]]

    @property
    def digest(self) -> str:
        purposes = [
            f"{each['title']}{'（必需）' if each['required'] else '（可选）'}：{each['text']}"
            for each in self.purposes
        ]
        return sm3("\n\n".join((self.version, self.title, self.body, *purposes)).encode()).hex()


TEXTS = (
    _Text(
        "01",
        "user_agreement",
        "1.0",
        "用户服务协议",
        "使用平台前的约定：怎么看病、怎么付费、怎么保护账号。",
        """一、服务内容
本平台由医院开设，为您提供互联网诊疗（复诊、续方）、图文与音视频交流、缴费和相关健康服务。互联网诊疗只适用于常见病、慢性病复诊；首次就诊、病情加重或急危重症，请到医院就诊或拨打120。

二、授权就诊
为您提供诊疗服务，需要您授权本院核验您与就诊人的身份，并在诊疗所需范围内查阅就诊人在本院的既往就诊记录。您不同意授权时，可以浏览医院与医生信息，但不能在线就诊。

三、账号
1. 账号以手机号登录，请勿出借。您可以随时在“我的－登录设备”中查看并退出其他设备。
2. 在线就诊前须完成实名认证。请填写本人真实信息；为儿童就诊时，须由监护人绑定并在场。
3. 您应如实说明病情。因隐瞒或虚构病情造成的后果由提供信息的人承担。

四、就诊过程
1. 医生在规定时间内未接诊的，平台全额退款并通知您。
2. 音视频通话会录制并按规定保存，通话前和通话中都会提示。\
您可以拒绝录制，此时按医院规定改为图文或到院就诊。
3. 医生根据病情可以终止在线诊疗，并建议您到院就诊。

五、费用
费用在提交前明示。退款按订单页面说明原路退回。

六、行为规范
请勿发布违法、侵权、骚扰内容，请勿录制、传播他人的就诊信息。违反时平台可以限制账号使用。

七、演示说明
本系统以演示模式运行时，所有医院、医生、费用和短信均为模拟，不构成真实的医疗服务，请勿填写真实的病情与证件。

八、其他
协议更新后会请您重新阅读并同意。对本协议有疑问，请联系医院客服。""",
        [],
    ),
    _Text(
        "02",
        "privacy",
        "1.0",
        "隐私政策",
        "我们收集哪些信息、用来做什么、保存多久，您有哪些权利。",
        """一、我们收集什么
1. 账号信息：手机号、昵称、头像（头像由您选择是否上传）。
2. 身份信息：姓名、身份证件号码，用于实名核验，属于敏感个人信息。
3. 诊疗信息：就诊人资料、病情描述、图片、聊天与通话内容、处方与费用记录，属于敏感个人信息。
4. 设备与日志：设备名称、网络地址、登录时间，用于账号安全和审计。
我们不收集通讯录、相册全部内容或持续位置。

二、用来做什么
仅用于身份核验、诊疗服务、缴费退款、服务通知、质量监督和法律法规要求的留存。通知短信不包含病情。

三、如何保护
证件号码、手机号等加密保存；附件和录像只有参与诊疗的人员和依规监督的人员可以查看，工作人员的每次查看都有审计记录。

四、提供给谁
诊疗所必需时提供给本院信息系统；支付时提供给您选择的支付机构；短信由短信服务商发送；依法向卫生健康监管部门报送。除此以外不向第三方提供。

五、保存多久
病历不少于15年，图文、音视频记录不少于3年，审计日志不少于6个月；期满后删除或匿名化，法律另有规定的除外。

六、您的权利
您可以查阅、复制、更正个人信息，撤回授权或注销账号。法律要求保存的诊疗记录在保存期内不能删除，但会限制使用。

七、未成年人
不满十四周岁的，个人信息由监护人同意后处理。

八、演示说明
本系统以演示模式运行时，数据保存在运行本系统的计算机上，身份核验、短信与支付均为模拟服务，请勿填写真实的证件号码与病情。

九、联系我们
对个人信息处理有疑问或投诉，请联系医院客服。""",
        [],
    ),
    _Text(
        "03",
        "consultation_notice",
        "2026-11",
        "互联网复诊须知",
        "在线复诊适合谁、怎么进行、什么情况要去医院。",
        """一、本服务仅面向常见病、慢性病的复诊患者。首次就诊、病情急重或需要当面检查的，请到医院就诊；如遇胸痛、呼吸困难、意识不清、大出血等情况，请立即拨打120。

二、请如实填写就诊人信息和病情，上传的图片和报告须为就诊人本人所有。6岁以下儿童问诊须由监护人陪同。

三、医生将根据您提供的资料给出诊疗意见。医生认为不适合线上复诊的，可以退诊，费用全额退回，并建议您到院就诊。

四、付款后请等待医生接诊；超过规定时间未接诊，系统自动取消，费用全额退回。

五、问诊中的文字、图片、语音以及病历资料依法加密保存，病历保存不少于15年，图文和音视频资料保存不少于3年，仅限诊疗、质量管理和依法监管使用。""",
        [],
    ),
    _Text(
        "04",
        "recording",
        "2026-11",
        "录音录像同意",
        "视频问诊是否录制由您决定，不同意也可以就诊。",
        """视频问诊将全程录音录像，通话前和通话中都会显示录制标记。录制内容加密保存不少于3年，仅用于诊疗质量管理、纠纷处理和依法监管。您可以不同意录制；不同意的，可改为图文问诊或到院就诊，以医院安排为准。""",
        [],
    ),
    _Text(
        "05",
        "sensitive",
        "1.0",
        "敏感个人信息处理同意书",
        "身份证号和病情属于敏感信息，需要您单独同意。",
        """根据《个人信息保护法》，处理敏感个人信息须取得您的单独同意。请逐项阅读并自行选择，我们不会替您勾选。

一、我们需要处理的敏感个人信息
1. 身份信息：姓名、身份证件号码。
2. 健康信息：病情描述、检查检验与处方、既往就诊记录、您上传的图片和报告、与医生的沟通内容。

二、为什么必要
互联网诊疗依法实行实名制；医生须了解病情才能给出诊疗意见。不提供这些信息，我们无法为您或就诊人提供在线诊疗。

三、对您的影响与保护
信息泄露可能影响您的人身和财产安全。我们对证件号码、病情与沟通内容加密保存，工作人员每次查看都留有记录，只有参与诊疗和依规监督的人员可以查看。

四、保存多久
病历保存不少于15年，图文、音视频资料保存不少于3年，期满删除或匿名化。

五、您可以随时撤回
在“我的－隐私与权利”中可以撤回同意。撤回后不能再发起新的问诊，撤回前的处理不受影响。""",
        [
            {
                "code": "identity",
                "title": "核验身份",
                "text": "核验您和就诊人的姓名与身份证件号码",
                "required": True,
            },
            {
                "code": "care",
                "title": "诊疗服务",
                "text": "医生查看病情、既往就诊记录和沟通内容，用于本次及后续诊疗",
                "required": True,
            },
            {
                "code": "quality",
                "title": "质量改进与回访",
                "text": "用于医疗质量抽查和就诊后的回访，不同意不影响就诊",
                "required": False,
            },
        ],
    ),
    _Text(
        "06",
        "guardian",
        "1.0",
        "未满十四周岁儿童监护人同意书",
        "孩子的信息由监护人本人同意后才能使用。",
        """不满十四周岁儿童的个人信息属于敏感个人信息，须由监护人单独同意。本同意只能由已经实名核验、并登记为该儿童监护人的本人作出。

一、我们需要处理的儿童信息
姓名、性别、出生日期、身份证件号码（如有），病情描述、检查检验与处方、既往就诊记录、图片和报告、与医生的沟通内容。

二、为什么必要
为儿童提供在线诊疗，须核对儿童与监护人的身份，并由医生了解病情。

三、特别保护
儿童的信息加密保存，只有参与诊疗和依规监督的人员可以查看，每次查看都留有记录。我们不会将儿童的信息用于诊疗以外的推送或画像。

四、监护人的责任
6岁以下儿童问诊时，监护人须全程陪同；请如实填写儿童的病情和过敏史。

五、保存与撤回
病历保存不少于15年，图文、音视频资料保存不少于3年。监护人可以随时在“我的－隐私与权利”中查阅、更正、撤回同意。撤回后不能再为该儿童发起新的问诊。""",
        [
            {
                "code": "identity",
                "title": "核验儿童与监护人身份",
                "text": "核验儿童和监护人的姓名与身份证件号码",
                "required": True,
            },
            {
                "code": "care",
                "title": "儿童诊疗服务",
                "text": "医生查看儿童的病情、既往就诊记录和沟通内容，用于诊疗",
                "required": True,
            },
            {
                "code": "quality",
                "title": "质量改进与回访",
                "text": "用于医疗质量抽查和就诊后的回访，不同意不影响就诊",
                "required": False,
            },
        ],
    ),
)

GUARDS = (
    """CREATE OR REPLACE FUNCTION consent_records_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
DECLARE
  technical text[] := ARRAY['integrity_version', 'integrity_mac', 'signature'];
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF current_setting('zhenjian.retention', true) = 'over' THEN
      RETURN OLD;
    END IF;
  ELSIF to_jsonb(NEW) - technical = to_jsonb(OLD) - technical THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'consent_records is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$""",
    """CREATE TRIGGER consent_records_append_only
BEFORE UPDATE OR DELETE ON consent_records
FOR EACH ROW EXECUTE FUNCTION consent_records_refuse_change()""",
    """CREATE OR REPLACE FUNCTION consent_texts_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
  IF OLD.state = 'published' THEN
    RAISE EXCEPTION 'a published text never changes' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END
$body$""",
    """CREATE TRIGGER consent_texts_published_stay
BEFORE UPDATE OR DELETE ON consent_texts
FOR EACH ROW EXECUTE FUNCTION consent_texts_refuse_change()""",
)

AGREEMENTS = """INSERT INTO consent_records (id, hospital_id, user_id, patient_id, relation,
  as_guardian, kind, text_id, version, digest, act, purposes, ref_type, ref_id, method, device,
  address, at)
SELECT gen_random_uuid(), home.id, a.user_id, NULL, NULL, false, t.kind, t.id, t.version,
  a.text_digest, 'given', '{}'::jsonb, NULL, NULL, 'migrated', '', '', a.accepted_at
FROM agreement_acceptances a
JOIN consent_texts t ON t.kind = a.code AND t.version = a.version
  AND t.hospital_id IS NULL
JOIN LATERAL (
  SELECT h.id FROM hospitals h
  LEFT JOIN role_assignments r ON r.hospital_id = h.id AND r.user_id = a.user_id
  ORDER BY (r.id IS NULL), h.position, h.id LIMIT 1
) home ON true"""

CONSULTATIONS = """INSERT INTO consent_records (id, hospital_id, user_id, patient_id, relation,
  as_guardian, kind, text_id, version, digest, act, purposes, ref_type, ref_id, method, device,
  address, at)
SELECT gen_random_uuid(), c.hospital_id, c.payer_id, c.patient_id, r.relation, false, t.kind, t.id,
  t.version, c.consent_digest,
  CASE WHEN t.kind = 'recording' AND NOT c.recording_agreed THEN 'refused' ELSE 'given' END,
  '{}'::jsonb, 'consultation', c.id, 'migrated', '', '', c.consent_at
FROM consultations c
JOIN patient_relations r ON r.id = c.relation_id
JOIN consent_texts t ON t.version = c.consent_version AND t.hospital_id IS NULL
  AND t.kind IN ('consultation_notice', 'recording')
WHERE c.consent_version IS NOT NULL AND c.consent_at IS NOT NULL AND c.consent_digest IS NOT NULL"""


def upgrade() -> None:
    op.create_table(
        "consent_texts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("purposes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("signature_required", sa.Boolean(), nullable=False),
        sa.Column("material", sa.Boolean(), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("change_note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_consent_texts_hospital_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_texts")),
    )
    op.create_index(
        "uq_consent_texts_group",
        "consent_texts",
        ["kind", "version"],
        unique=True,
        postgresql_where=sa.text("hospital_id IS NULL"),
    )
    op.create_index(
        "uq_consent_texts_own",
        "consent_texts",
        ["hospital_id", "kind", "version"],
        unique=True,
        postgresql_where=sa.text("hospital_id IS NOT NULL"),
    )
    op.create_table(
        "consent_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("relation", sa.String(length=32), nullable=True),
        sa.Column("as_guardian", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("purposes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ref_type", sa.String(length=32), nullable=True),
        sa.Column("ref_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.Column("signature_digest", sa.String(length=64), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_consent_records_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_consent_records_patient_id")
        ),
        sa.ForeignKeyConstraint(
            ["text_id"], ["consent_texts.id"], name=op.f("fk_consent_records_text_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_consent_records_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_records")),
    )
    op.create_index(
        "ix_consent_records_patient", "consent_records", ["patient_id", "kind"], unique=False
    )
    op.create_index(
        "ix_consent_records_ref", "consent_records", ["ref_type", "ref_id"], unique=False
    )
    op.create_index("ix_consent_records_text", "consent_records", ["text_id", "at"], unique=False)
    op.create_index(
        "ix_consent_records_user", "consent_records", ["user_id", "kind", "at"], unique=False
    )
    op.create_table(
        "rights_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("right", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("field", sa.LargeBinary(), nullable=False),
        sa.Column("wish", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("file_ids", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("extended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_by", sa.Uuid(), nullable=True),
        sa.Column("check_note", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["users.id"], name=op.f("fk_rights_requests_assignee_id")
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_rights_requests_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"], ["patients.id"], name=op.f("fk_rights_requests_patient_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_rights_requests_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_requests")),
        sa.UniqueConstraint(
            "hospital_id", "number", name=op.f("uq_rights_requests_hospital_id_number")
        ),
    )
    op.create_index(
        "ix_rights_requests_closing",
        "rights_requests",
        ["close_at"],
        unique=False,
        postgresql_where=sa.text("state = 'cooling'"),
    )
    op.create_index(
        "ix_rights_requests_queue",
        "rights_requests",
        ["hospital_id", "state", "due_on", "id"],
        unique=False,
    )
    op.create_index(
        "ix_rights_requests_user", "rights_requests", ["user_id", "created_at"], unique=False
    )
    op.create_table(
        "rights_steps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["rights_requests.id"],
            name=op.f("fk_rights_steps_request_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_steps")),
    )
    op.create_index(
        op.f("ix_rights_steps_request_id"), "rights_steps", ["request_id"], unique=False
    )
    op.create_table(
        "data_copies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("json_size", sa.Integer(), nullable=True),
        sa.Column("json_digest", sa.String(length=64), nullable=True),
        sa.Column("pdf_size", sa.Integer(), nullable=True),
        sa.Column("pdf_digest", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_data_copies_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["rights_requests.id"], name=op.f("fk_data_copies_request_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_data_copies_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_copies")),
        sa.UniqueConstraint("request_id", name=op.f("uq_data_copies_request_id")),
    )
    op.create_index(
        "ix_data_copies_expiry",
        "data_copies",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index(
        "ix_data_copies_work",
        "data_copies",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("thing", sa.String(length=32), nullable=False),
        sa.Column("thing_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Uuid(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_reason", sa.LargeBinary(), nullable=False),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_legal_holds_hospital_id")
        ),
        sa.ForeignKeyConstraint(["placed_by"], ["users.id"], name=op.f("fk_legal_holds_placed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index(
        "ix_legal_holds_thing",
        "legal_holds",
        ["hospital_id", "thing", "thing_id"],
        unique=False,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "data_restrictions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("patient_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name=op.f("fk_data_restrictions_hospital_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["rights_requests.id"], name=op.f("fk_data_restrictions_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_restrictions")),
    )
    op.create_index(
        "ix_data_restrictions_patient",
        "data_restrictions",
        ["hospital_id", "patient_id"],
        unique=False,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    _bring_texts()
    op.execute(AGREEMENTS)
    op.execute(CONSULTATIONS)
    op.drop_table("agreement_acceptances")
    for statement in GUARDS:
        op.execute(statement)


def _bring_texts() -> None:
    table = sa.table(
        "consent_texts",
        *(sa.column(name) for name in ("kind", "version", "title", "summary", "body", "state")),
        *(sa.column(name) for name in ("signature_required", "material", "change_note", "digest")),
        sa.column("id", sa.Uuid()),
        sa.column("purposes", postgresql.JSONB()),
        sa.column("grace_days", sa.Integer()),
        *(
            sa.column(name, sa.DateTime(timezone=True))
            for name in ("effective_at", "created_at", "changed_at", "published_at")
        ),
    )
    op.bulk_insert(
        table,
        [
            {
                "id": uuid.UUID(f"0194200a-0000-7000-8000-0000000000{each.number}"),
                "kind": each.kind,
                "version": each.version,
                "title": each.title,
                "summary": each.summary,
                "body": each.body,
                "purposes": each.purposes,
                "signature_required": False,
                "material": True,
                "grace_days": 0,
                "change_note": "",
                "state": "published",
                "digest": each.digest,
                "effective_at": SINCE,
                "created_at": SINCE,
                "changed_at": SINCE,
                "published_at": SINCE,
            }
            for each in TEXTS
        ],
    )


def downgrade() -> None:
    op.create_table(
        "agreement_acceptances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("text_digest", sa.String(length=64), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_agreement_acceptances_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_acceptances")),
        sa.UniqueConstraint(
            "user_id",
            "code",
            "version",
            name=op.f("uq_agreement_acceptances_user_id_code_version"),
        ),
    )
    op.execute(
        """INSERT INTO agreement_acceptances (id, user_id, code, version, text_digest, accepted_at)
SELECT DISTINCT ON (user_id, kind, version) id, user_id, kind, version, digest, at
FROM consent_records WHERE kind IN ('user_agreement', 'privacy') AND act = 'given'
ORDER BY user_id, kind, version, at"""
    )
    for table in (
        "data_restrictions",
        "legal_holds",
        "data_copies",
        "rights_steps",
        "rights_requests",
        "consent_records",
        "consent_texts",
    ):
        op.drop_table(table)
    op.execute("DROP FUNCTION consent_records_refuse_change()")
    op.execute("DROP FUNCTION consent_texts_refuse_change()")
