"""The cashier that a phone sees between the hospital and WeChat: pay, or go back."""

from __future__ import annotations

from datetime import datetime
from html import escape
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from clinical.sandbox.look import page
from clinical.sandbox.store import Document
from clinical.sandbox.wechat import orders
from clinical.sandbox.wechat.protocol import ZONE
from clinical.sandbox.world import World, world_of

MERCHANT = "诊间互联网医院"

STYLE = """
body { min-height: 100vh; min-height: 100dvh; display: flex; justify-content: center; }
main { width: 100%; max-width: 430px; min-height: 100vh; min-height: 100dvh; display: flex;
  flex-direction: column; padding: 0 20px calc(24px + env(safe-area-inset-bottom)); }
.ribbon { margin: 0 -20px; padding: 8px 20px; background: var(--waiting-soft);
  color: var(--waiting-strong); font-size: 13px; text-align: center; }
.head { padding: 40px 0 24px; text-align: center; }
.mark { width: 56px; height: 56px; margin: 0 auto 12px; border-radius: 16px; display: grid;
  place-items: center; background: var(--action-soft); color: var(--action-strong);
  font-size: 26px; font-weight: 600; }
.merchant { color: var(--ink-2); }
.amount { margin: 8px 0 0; font: 600 48px/1.2 var(--number); letter-spacing: -0.5px; }
.amount small { font-size: 28px; margin-right: 4px; }
dl { margin: 0; padding: 4px 16px; background: var(--card); border-radius: 12px;
  box-shadow: 0 1px 2px rgba(16, 40, 42, 0.06); }
dl div { display: flex; justify-content: space-between; gap: 16px; padding: 14px 0;
  border-bottom: 1px solid var(--line); }
dl div:last-child { border-bottom: 0; }
dt { color: var(--ink-3); flex: none; }
dd { margin: 0; text-align: right; word-break: break-all; }
dd.small { font-size: 13px; color: var(--ink-3); font-family: var(--number); }
.actions { margin-top: auto; padding-top: 32px; display: grid; gap: 12px; }
button, .button { display: block; width: 100%; min-height: 50px; border-radius: 12px; border: 0;
  font-size: 17px; font-weight: 500; text-align: center; line-height: 50px; padding: 0;
  text-decoration: none; }
.pay { background: var(--action); color: #fff; }
.pay:active { background: var(--action-strong); }
.cancel { background: transparent; color: var(--ink-2); border: 1px solid var(--line);
  background: var(--card); }
.note { margin: 16px 0 0; padding: 12px 16px; border-radius: 12px; text-align: center;
  background: var(--past-soft); color: var(--ink-2); }
.done .mark { border-radius: 50%; }
"""


async def show(request: Request) -> Response:
    """The page behind `h5_url`; `redirect_url` is where the payer goes afterwards."""
    world = world_of(request)
    order = _order(world, request.query_params.get("prepay_id", ""))
    back = _safe(request.query_params.get("redirect_url", ""))
    if order is None:
        return HTMLResponse(_message("支付链接无效", "请回到商户页面重新发起支付", back), 404)
    problem = orders.payable(world, order)
    return HTMLResponse(_cashier(order, request.query_params["prepay_id"], back, problem))


async def act(request: Request) -> Response:
    """`POST /cashier/{prepay_id}/pay` or `/cancel`."""
    world, action = world_of(request), request.path_params["action"]
    order = _order(world, request.path_params["prepay_id"])
    back = _safe(request.query_params.get("redirect_url", ""))
    if order is None or action not in ("pay", "cancel"):
        return HTMLResponse(_message("支付链接无效", "请回到商户页面重新发起支付", back), 404)
    if action == "pay":
        problem = orders.payable(world, order)
        if problem is not None:
            return HTMLResponse(_message(problem, "本次没有扣款", back), 409)
        orders.pay(world, order)
    if back:
        return RedirectResponse(back, status_code=303)
    if action == "cancel":
        return HTMLResponse(_message("已取消支付", "您可以稍后重新支付", back))
    return HTMLResponse(_message("支付成功", "请返回商户页面查看", back, good=True))


def _order(world: World, prepay_id: str) -> Document | None:
    prepay = world.store.get("prepay", prepay_id)
    return None if prepay is None else world.store.get("order", prepay["out_trade_no"])


def _safe(address: str) -> str:
    parts = urlsplit(address)
    return address if parts.scheme in ("http", "https") and parts.netloc else ""


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _cashier(order: Document, prepay_id: str, back: str, problem: str | None) -> str:
    query = f"?redirect_url={quote(back, safe='')}" if back else ""
    expiry = order["time_expire"]
    until = ""
    if expiry:
        local = datetime.fromisoformat(expiry).astimezone(ZONE)
        until = f"<div><dt>请在此前支付</dt><dd>{local:%H:%M}</dd></div>"
    if problem is None:
        actions = f"""
<form method="post" action="/cashier/{escape(prepay_id)}/pay{query}">
<button class="pay" data-testid="pay">支付</button></form>
<form method="post" action="/cashier/{escape(prepay_id)}/cancel{query}">
<button class="cancel" data-testid="cancel">取消</button></form>"""
    else:
        leave = f'<a class="button pay" href="{escape(back)}">返回商户</a>' if back else ""
        actions = f'<p class="note">{escape(problem)}</p>{leave}'
    body = f"""<main>
<div class="ribbon">模拟收银台 · 不会真实扣款</div>
<div class="head"><div class="mark">诊</div><div class="merchant">{MERCHANT}</div>
<p class="amount" data-testid="amount"><small>¥</small>{_yuan(order["total"])}</p></div>
<dl><div><dt>商品</dt><dd>{escape(order["description"])}</dd></div>
<div><dt>付款方式</dt><dd>零钱（模拟）</dd></div>{until}
<div><dt>订单号</dt><dd class="small">{escape(order["out_trade_no"])}</dd></div></dl>
<div class="actions">{actions}</div></main>"""
    return page("模拟收银台", STYLE, body)


def _message(title: str, text: str, back: str, *, good: bool = False) -> str:
    leave = f'<a class="button pay" href="{escape(back)}">返回商户</a>' if back else ""
    body = f"""<main class="done"><div class="ribbon">模拟收银台 · 不会真实扣款</div>
<div class="head"><div class="mark">{"✓" if good else "!"}</div>
<h1 style="font-size:20px;margin:0 0 4px">{escape(title)}</h1>
<div class="merchant">{escape(text)}</div></div>
<div class="actions">{leave}</div></main>"""
    return page("模拟收银台", STYLE, body)
