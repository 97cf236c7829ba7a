"""The convenience clinic (便民门诊, 自助开单): patients order what the hospital lets them order.

Purpose: items with their prices, precautions and daily times; orders of patients, reviewed by a
doctor or (drugs) a pharmacist before anything can be paid; times with a capacity that nobody
oversells; carrying out, cancelling, and the money on its way back.
Announces: `SelfOrderApproved`, `SelfOrderClosed`, `SelfOrderRefundRequested`.
Hears: `OrderPaid` and `OrderClosed` of payments (an order of a patient is paid, or is over).
"""
