"""The screens of access: the matrix and its changes, own roles and menus, delegations, permissions
on request, break-glass access and its review.

Purpose: let officers and staff see and change what `core.access` goes by.
Announces: nothing of its own.
Hears: the events of `core.access`, to tell whom they concern.
"""
