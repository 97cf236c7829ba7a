"""Where a notice leads to: a page behind the login, named by kind and id and nothing else."""

from urllib.parse import quote

from realtime.notices import Notice

#: Pages of the phone application, for patients and for staff; `{id}` is what the notice is about.
_PATIENT = {
    "consultation": "pages/consultation/index?id={id}",
    "order": "pages/orders/detail?id={id}",
    "self_order": "pages/clinic/order?id={id}",
    "consultation_room": "pages/room/index?id={id}",
    "room": "pages/room/index?room={id}",
    "rights_request": "pages/rights/request?id={id}",
    "notice_message": "pages/messages/detail?id={id}",
}
_STAFF = {
    "consultation": "clinician/consultation/index?id={id}",
    "consultation_room": "pages/room/index?id={id}",
    "room": "pages/room/index?room={id}",
    "signing": "clinician/signature/index",
    "notice_message": "pages/messages/detail?id={id}",
}
_OTHERWISE = "pages/messages/index"


def page(notice: Notice, ref: tuple[str, str] | None) -> str:
    """The page of the phone application, as mini-programs name pages."""
    if ref is None:
        return _OTHERWISE
    kind, id_ = ref
    pages = _STAFF if notice.staff else _PATIENT
    return pages.get(kind, _OTHERWISE).replace("{id}", quote(id_, safe=""))


def web(base_url: str, notice: Notice, ref: tuple[str, str] | None) -> str:
    """The same page for a browser."""
    return f"{base_url}/m/#/{page(notice, ref)}"
