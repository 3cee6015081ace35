"""`pmm-tui profiles`: every profile that can be named, what is wrong with it, and what a profile may say."""

import sys

import msgspec

from pmm_tui.runtime.knobs_model import KNOBS, Knob
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


def reference() -> str:
    """Every parameter as a Markdown table: made from the declarations, so it cannot differ from what is checked."""
    rows = [_row(knob) for knob in KNOBS.values()]
    return "\n".join(["| parameter | default | allowed | means |", "|---|---|---|---|", *rows])


def _row(knob: Knob) -> str:
    default = ", ".join(map(str, knob.default)) if isinstance(knob.default, tuple) else "" if knob.default is None else str(knob.default)
    about = knob.about.replace("|", "\\|")
    return f"| `{knob.name}`{'' if knob.restart else ' ↻'} | {default} | {knob.allowed} | {about} |"
