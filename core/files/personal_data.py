"""What files hold about a person: the uploads of the account."""

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update

from core.files.models import REMOVED, File
from core.files.resumable.models import Upload, UploadState
from core.personal_data import Erased, Holding, RecordClass, Section, Subject, counted, register

if TYPE_CHECKING:
    from core.uow import UnitOfWork


class FileData:
    """Uploads; those that hang on a record are kept with the record."""

    name = "files"

    async def holdings(self, uow: "UnitOfWork", subject: Subject) -> list[Holding]:
        """All uploads of the account at the hospital."""
        return [
            await counted(
                uow,
                "上传的图片与文件",
                RecordClass.COMMUNICATION,
                (File.created_at, File.created_at),
                File.uploader_id == subject.user_id,
                File.hospital_id == subject.hospital_id,
                note="随所属病历或沟通记录保存",
            )
        ]

    async def export(self, uow: "UnitOfWork", subject: Subject) -> list[Section]:
        """A list of the uploads; the bytes are opened where they were sent."""
        rows = await uow.session.scalars(
            select(File)
            .where(File.uploader_id == subject.user_id, File.hospital_id == subject.hospital_id)
            .order_by(File.created_at)
            .limit(5000)
        )
        return [
            Section(
                title="上传的图片与文件",
                fields=(
                    ("name", "文件名"),
                    ("content_type", "类型"),
                    ("size", "字节数"),
                    ("sha256", "校验值"),
                    ("created_at", "上传时间"),
                ),
                records=[
                    {
                        "name": row.name,
                        "content_type": row.content_type,
                        "size": row.size,
                        "sha256": row.sha256,
                        "created_at": row.created_at,
                    }
                    for row in rows
                ],
            )
        ]

    async def erase(self, uow: "UnitOfWork", subject: Subject) -> list[Erased]:
        """Unused uploads go, with a closed account its picture too: the files' job removes them."""
        if subject.held:
            return []
        loose = File.scope.is_(None)
        gone = await uow.session.execute(
            update(File)
            .where(
                File.uploader_id == subject.user_id,
                File.hospital_id == subject.hospital_id,
                or_(loose, File.scope == "avatar") if subject.closing else loose,
            )
            .values(scope=REMOVED)
            .returning(File.id)
        )
        # Uploads that are under way go at once, with whatever has come of them.
        await uow.session.execute(
            update(Upload)
            .where(
                Upload.uploader_id == subject.user_id,
                Upload.hospital_id == subject.hospital_id,
            )
            .values(state=UploadState.REMOVED, claim=None)
        )
        kept = await uow.session.scalar(
            select(func.count()).where(
                File.uploader_id == subject.user_id,
                File.hospital_id == subject.hospital_id,
                File.scope != REMOVED,
            )
        )
        return [
            Erased(
                title="上传的图片与文件",
                erased=len(gone.all()),
                kept=kept or 0,
                why="随所属病历或沟通记录保存" if kept else "",
            )
        ]


register(FileData())
