"""Integrity: nobody changes, removes or swaps a protected row without being found.

Purpose: a MAC on every protected row, an append-only ledger of their versions, a chain of sealed
blocks over the ledger, anchors of the chain outside the database, and the checker of all of it.
Announces: nothing.
Hears: nothing.

    class Order(Protected, Base):
        __protected__ = ("number", "state", "amount_fen")
"""

from core.integrity.ledger import UnprotectedWrite, insert_many, insert_once, remove
from core.integrity.protection import Protected, WrittenOnce

__all__ = ["Protected", "UnprotectedWrite", "WrittenOnce", "insert_many", "insert_once", "remove"]
