"""List the digests of the built clients, for `make clients`."""

from core.defence.content import write_list

print(f"{write_list()} files of the clients are listed.")
