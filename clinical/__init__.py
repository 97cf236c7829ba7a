"""The clinical modules: each one folder with the same few file names.

They meet through each other's `events.py` and read through each other's `access.py`; writing stays
with the owner's `service.py`. `clinical.modules` lists them.
"""
