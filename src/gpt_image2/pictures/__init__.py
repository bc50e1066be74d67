"""Working with pictures: masks in words, nothing changed outside them, checks, cut-outs, exact sizes, a look.

Needs the extra `pictures`. Everything here is arithmetic on arrays and gives frozen results;
`files` is the one module that opens and saves. The commands are in `commands/`. Errors are `UsageError` and
`OutputError` of core.
"""

from __future__ import annotations

from gpt_image2.core.api.covering import covering_size

from .check import Verdict, check_against, check_alpha, check_size, check_weight, heat_map
from .compose import Composition, changed_outside, compose
from .cutouts.keying import Cutout, cut_out
from .cutouts.pairs import cut_out_pair
from .extend import Canvas, extended, margins_to, parse_margins
from .files import Picture, encode, open_picture, save
from .grounds import Ground, key_for, on_ground, onto_other_ground
from .masks import Mask, make_mask, mask_png, overlay
from .registration import Shift, find_shift
from .shapes import MaskPlan, Shape, parse_plan, plan_of
from .sizes import Packed, fitted, packed, sent_size
from .uploads import Upload, for_upload, mask_for_upload

__all__ = [
    "Canvas",
    "Composition",
    "Cutout",
    "Ground",
    "Mask",
    "MaskPlan",
    "Packed",
    "Picture",
    "Shape",
    "Shift",
    "Upload",
    "Verdict",
    "changed_outside",
    "check_against",
    "check_alpha",
    "check_size",
    "check_weight",
    "compose",
    "covering_size",
    "cut_out",
    "cut_out_pair",
    "encode",
    "extended",
    "find_shift",
    "fitted",
    "for_upload",
    "heat_map",
    "key_for",
    "make_mask",
    "margins_to",
    "mask_for_upload",
    "mask_png",
    "on_ground",
    "onto_other_ground",
    "open_picture",
    "overlay",
    "packed",
    "parse_margins",
    "parse_plan",
    "plan_of",
    "save",
    "sent_size",
]
