"""Payments: the orders of patients, the money that arrived for them, and its way back.

Purpose: open an order for a priced service, have it paid through a channel (WeChat Pay v3), believe
only signed word of the channel, close what is not paid, give back exactly once what must go back,
and keep the channel's day bills.
Announces: `OrderPaid`, `OrderClosed`, `OrderRefunded`, `OrderRefundFailed`; for its own reactions
`RefundOpened`.
Hears: `ConsultationSubmitted`, `ConsultationCancelled`, `RefundRequested`; of the convenience
clinic `SelfOrderApproved`, `SelfOrderClosed`, `SelfOrderRefundRequested`.
"""
