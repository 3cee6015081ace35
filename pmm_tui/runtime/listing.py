"""`pmm-tui profiles`: every profile that can be named, and what is wrong with it."""

import sys

import msgspec

from pmm_tui.runtime.profile import list_profiles


def show_profiles(as_json: bool) -> int:
    """Print them. Exit code 1 where one of them is refused."""
    listed = list_profiles()
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(listed), indent=2).decode() + "\n")
    else:
        width = max((len(one.name) for one in listed), default=0)
        for one in listed:
            sys.stdout.write(f"{one.name:<{width}}  {'REFUSED' if one.complaints else 'valid  '}  {one.file}\n")
            for complaint in one.complaints:
                sys.stdout.write(f"{'':<{width}}  {complaint}\n")
    return 1 if any(one.complaints for one in listed) else 0
