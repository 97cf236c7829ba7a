"""Trust: signature."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
WORD = sa.String(32)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CERTIFICATES = (
    "signature_counts",
    "signature_log",
    "signature_nonces",
    "signature_applications",
    "server_keys",
    "ocsp_answers",
    "revocation_lists",
    "certificates",
)
PEOPLE = (
    "signing_confirmations",
    "document_signatures",
    "signing_tasks",
    "ca_requests",
    "signing_keys",
    "signature_images",
    "signers",
    "closing_note_versions",
)


def upgrade() -> None:
    _certificates()
    _people()


def _certificates() -> None:
    """Certificates, the signing service and its log."""
    _store()
    _server_keys()
    _applications()
    _log()


def _store() -> None:
    """Certificates and what CAs publish about them."""
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("serial", sa.String(length=80), nullable=False),
        sa.Column("common_name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=128)),
        sa.Column("issuer_key_id", sa.String(length=128)),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("algorithm", sa.String(length=32)),
        sa.Column("purposes", postgresql.JSONB(), nullable=False),
        sa.Column("is_authority", sa.Boolean(), nullable=False),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("origin", WORD, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("revocation", WORD, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoke_reason", sa.String(length=64)),
        sa.Column("checked_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_certificates_hospital_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_certificates"),
        sa.UniqueConstraint(
            "hospital_id", "fingerprint", name="uq_certificates_hospital_id_fingerprint"
        ),
    )
    op.create_index("ix_certificates_created", "certificates", ["hospital_id", "created_at", "id"])
    op.create_index("ix_certificates_key_id", "certificates", ["hospital_id", "key_id"])
    op.create_index("ix_certificates_not_after", "certificates", ["not_after"])
    op.create_index("ix_certificates_serial", "certificates", ["hospital_id", "serial"])
    op.create_table(
        "revocation_lists",
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("der", sa.LargeBinary()),
        sa.Column("number", sa.String(length=64)),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("this_update", MOMENT),
        sa.Column("next_update", MOMENT),
        sa.Column("fetched_at", MOMENT),
        sa.Column("next_fetch_at", MOMENT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("url", name="pk_revocation_lists"),
    )
    op.create_index("ix_revocation_lists_due", "revocation_lists", ["next_fetch_at"])
    op.create_table(
        "ocsp_answers",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("this_update", MOMENT, nullable=False),
        sa.Column("next_update", MOMENT),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_ocsp_answers"),
    )


def _server_keys() -> None:
    """Keys that sign for applications."""
    op.create_table(
        "server_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("algorithm", WORD, nullable=False),
        sa.Column("provider", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("certificate", sa.LargeBinary()),
        sa.Column("chain", sa.LargeBinary()),
        sa.Column("serial", sa.String(length=80)),
        sa.Column("not_before", MOMENT),
        sa.Column("not_after", MOMENT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("ended_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_server_keys_hospital_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_server_keys"),
    )
    op.create_index("ix_server_keys_hospital", "server_keys", ["hospital_id", "created_at"])


def _applications() -> None:
    """Calling systems, their policies and used-up numbers."""
    op.create_table(
        "signature_applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("proof", WORD, nullable=False),
        sa.Column("secret", sa.LargeBinary()),
        sa.Column("certificate_id", sa.Uuid()),
        sa.Column("server_key_id", sa.Uuid()),
        sa.Column("anchors", postgresql.JSONB()),
        sa.Column("revoking", WORD, nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("operations", postgresql.JSONB(), nullable=False),
        sa.Column("formats", postgresql.JSONB(), nullable=False),
        sa.Column("addresses", postgresql.JSONB(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("secret_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name="fk_signature_applications_certificate_id"
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signature_applications_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["server_key_id"], ["server_keys.id"], name="fk_signature_applications_server_key_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_signature_applications"),
        sa.UniqueConstraint("code", name="uq_signature_applications_code"),
    )
    op.create_index(
        "ix_signature_applications_hospital",
        "signature_applications",
        ["hospital_id", "created_at"],
    )
    op.create_table(
        "signature_nonces",
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["signature_applications.id"],
            name="fk_signature_nonces_application_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("application_id", "nonce", name="pk_signature_nonces"),
    )
    op.create_index("ix_signature_nonces_at", "signature_nonces", ["at"])


def _log() -> None:
    """What was signed for applications, append-only, and how much."""
    op.create_table(
        "signature_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("server_key_id", sa.Uuid(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("format", sa.String(length=32), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("certificate_serial", sa.String(length=80), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["signature_applications.id"],
            name="fk_signature_log_application_id",
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signature_log_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["server_key_id"], ["server_keys.id"], name="fk_signature_log_server_key_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_signature_log"),
    )
    op.create_index("ix_signature_log_application", "signature_log", ["application_id", "at"])
    op.create_index("ix_signature_log_at", "signature_log", ["hospital_id", "at", "id"])
    op.create_index("ix_signature_log_digest", "signature_log", ["digest"])
    op.create_table(
        "signature_counts",
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["signature_applications.id"],
            name="fk_signature_counts_application_id",
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signature_counts_hospital_id"
        ),
        sa.PrimaryKeyConstraint("hospital_id", "day", "application_id", name="pk_signature_counts"),
    )
    op.execute(
        "CREATE TRIGGER signature_log_append_only BEFORE UPDATE OR DELETE ON signature_log "
        "FOR EACH ROW EXECUTE FUNCTION integrity_refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER signature_log_no_truncate BEFORE TRUNCATE ON signature_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION integrity_refuse_change()"
    )


def _people() -> None:
    """Personal signing."""
    _signers()
    _keys()
    _tasks()
    _signatures()
    _closing_notes()


def _signers() -> None:
    """Who signs, and the handwriting."""
    op.create_table(
        "signers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("image_id", sa.Uuid()),
        sa.Column("pin_failures", sa.Integer(), nullable=False),
        sa.Column("pin_failed_at", MOMENT),
        sa.Column("pin_locked_until", MOMENT),
        sa.Column("suspended_at", MOMENT),
        sa.Column("suspended_reason", sa.Text()),
        sa.Column("reminded_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.id"], name="fk_signers_hospital_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_signers_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_signers"),
        sa.UniqueConstraint("hospital_id", "user_id", name="uq_signers_hospital_id_user_id"),
    )
    op.create_index(
        "uq_signers_seal",
        "signers",
        ["hospital_id"],
        unique=True,
        postgresql_where=sa.text("user_id IS NULL"),
    )
    op.create_table(
        "signature_images",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("replaced_at", MOMENT),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name="fk_signature_images_file_id"),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signature_images_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["signer_id"], ["signers.id"], name="fk_signature_images_signer_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_signature_images"),
        sa.UniqueConstraint("signer_id", "version", name="uq_signature_images_signer_id_version"),
    )


def _keys() -> None:
    """Key pairs with their certificates, and what the CA is asked for."""
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("salt", sa.LargeBinary(length=16)),
        sa.Column("certificate", sa.LargeBinary()),
        sa.Column("chain", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("serial", sa.String(length=80)),
        sa.Column("not_before", MOMENT),
        sa.Column("not_after", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("revoke_reason", WORD),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signing_keys_hospital_id"
        ),
        sa.ForeignKeyConstraint(["signer_id"], ["signers.id"], name="fk_signing_keys_signer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
    )
    op.create_index(
        "ix_signing_keys_expiry",
        "signing_keys",
        ["not_after"],
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("ix_signing_keys_hospital", "signing_keys", ["hospital_id", "state"])
    op.create_index("ix_signing_keys_signer_id", "signing_keys", ["signer_id"])
    op.create_index(
        "uq_signing_keys_active",
        "signing_keys",
        ["signer_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "ca_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("reason", WORD),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("claimed_until", MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_ca_requests_hospital_id"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["signing_keys.id"], name="fk_ca_requests_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ca_requests"),
    )
    op.create_index("ix_ca_requests_key_id", "ca_requests", ["key_id"])
    op.create_index(
        "ix_ca_requests_open",
        "ca_requests",
        ["not_before"],
        postgresql_where=sa.text("state = 'open'"),
    )


def _tasks() -> None:
    """Documents that wait for a signature."""
    op.create_table(
        "signing_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("document_type", sa.String(length=40), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signing_tasks_hospital_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_signing_tasks_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_signing_tasks"),
        sa.UniqueConstraint(
            "document_type",
            "document_id",
            "version",
            name="uq_signing_tasks_document_type_document_id_version",
        ),
    )
    op.create_index(
        "ix_signing_tasks_open",
        "signing_tasks",
        ["hospital_id", "user_id", "created_at"],
        postgresql_where=sa.text("state = 'open'"),
    )


def _signatures() -> None:
    """Confirmations and signatures."""
    op.create_table(
        "document_signatures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("document_type", sa.String(length=40), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("patient_id", sa.Uuid()),
        sa.Column("signer_name", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.Uuid()),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("cms", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("timestamp_token", sa.LargeBinary()),
        sa.Column("timestamped_at", MOMENT),
        sa.Column("timestamp_attempts", sa.Integer(), nullable=False),
        sa.Column("timestamp_not_before", MOMENT, nullable=False),
        sa.Column("device_session_id", sa.Uuid()),
        sa.Column("integrity_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("integrity_mac", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_document_signatures_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["signature_images.id"], name="fk_document_signatures_image_id"
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["signing_keys.id"], name="fk_document_signatures_key_id"
        ),
        sa.ForeignKeyConstraint(
            ["signer_id"], ["signers.id"], name="fk_document_signatures_signer_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_document_signatures_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_document_signatures"),
        sa.UniqueConstraint(
            "document_type",
            "document_id",
            "version",
            "signer_id",
            name="uq_document_signatures_version_signer",
        ),
    )
    op.create_index("ix_document_signatures_patient", "document_signatures", ["patient_id"])
    op.create_index(
        "ix_document_signatures_counted", "document_signatures", ["hospital_id", "signed_at"]
    )
    op.create_index(
        "ix_document_signatures_untimed",
        "document_signatures",
        ["timestamp_not_before"],
        postgresql_where=sa.text("timestamp_token IS NULL"),
    )
    op.create_table(
        "signing_confirmations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("device_session_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("document_type", sa.String(length=40)),
        sa.Column("document_id", sa.Uuid()),
        sa.Column("digest", sa.String(length=64)),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_signing_confirmations_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["signing_keys.id"], name="fk_signing_confirmations_key_id"
        ),
        sa.ForeignKeyConstraint(
            ["signer_id"], ["signers.id"], name="fk_signing_confirmations_signer_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_signing_confirmations"),
    )
    op.create_index(
        "ix_signing_confirmations_open",
        "signing_confirmations",
        ["expires_at"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_signing_confirmations_session", "signing_confirmations", ["device_session_id"]
    )


def _closing_notes() -> None:
    """Closing notes that a later version replaced."""
    op.create_table(
        "closing_note_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hospital_id", sa.Uuid(), nullable=False),
        sa.Column("consultation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("diagnosis", sa.LargeBinary(), nullable=False),
        sa.Column("advice", sa.LargeBinary(), nullable=False),
        sa.Column("final_at", MOMENT, nullable=False),
        sa.Column("replaced_at", MOMENT, nullable=False),
        sa.Column("replaced_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consultation_id"],
            ["consultations.id"],
            name="fk_closing_note_versions_consultation_id",
        ),
        sa.ForeignKeyConstraint(
            ["hospital_id"], ["hospitals.id"], name="fk_closing_note_versions_hospital_id"
        ),
        sa.ForeignKeyConstraint(
            ["replaced_by"], ["users.id"], name="fk_closing_note_versions_replaced_by"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_closing_note_versions"),
        sa.UniqueConstraint(
            "consultation_id", "version", name="uq_closing_note_versions_consultation_id_version"
        ),
    )
    op.add_column(
        "consultations",
        sa.Column("note_version", sa.Integer(), server_default="1", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("consultations", "note_version")
    for table in (*PEOPLE, *CERTIFICATES):
        op.drop_table(table)
