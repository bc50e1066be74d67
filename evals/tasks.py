"""What users ask for: one record a task. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .checks import in_batches, inside, opens, picture, prompt_has, ran, requests, sent, through, told
from .inputs import SOFA
from .task import Before, Task

_LOW, _MEDIUM = "low", "low|medium"

_LAKE = "A mountain lake at dawn, mist over the water"
_PAINTED = [
    Before(["generate", _LAKE, "-o", "lake.png", "--quality", "low"]),
    Before(["generate", "A lighthouse in a storm", "-o", "lighthouse.png", "--quality", "medium"]),
]

_ALL = [
    Task(
        "one-picture",
        "Make me a picture of a red fox in fresh snow and save it as fox.png. A cheap draft is fine.",
        [picture("fox.png"), sent(1, quality=_LOW)],
        budget_usd=0.02,
    ),
    Task(
        "ten-under-a-sum",
        "I need ten different icons for a garden app (spade, rake, hose, seeds, pot, gloves, shears, "
        "bench, fence, compost), one PNG each in the folder icons/. Low quality will do. Spend at most "
        "0.10 dollars, go ahead.",
        [picture("icons/*.png", 10), sent(quality=_LOW)],
        needs=10,
        budget_usd=0.10,
    ),
    Task(
        "prompt-list",
        "prompts.txt has a prompt a line. Make one low quality picture of each into the folder out/, "
        "please; I know that this is about 3 cents.",
        [picture("out/*.png", 4), sent(4, quality=_LOW), prompt_has("blue teapot", "yellow umbrella")],
        needs=4,
        budget_usd=0.05,
        inputs=["prompts.txt"],
    ),
    Task(
        "ask-first",
        "I'd like twelve product shots of a handmade mug for our shop, in the best quality there is, "
        "2048x1152.",
        [requests(0), told(r"\$?2[.,](0|1)|USD|dollar")],
        needs=0,
        budget_usd=0.0,
        asks=True,
    ),
    Task(
        "edit",
        "Make the sofa in room.png green and save that as room-green.png, everything else as it is. A "
        "draft will do.",
        [picture("room-green.png"), sent(1, endpoint="edits", quality=_MEDIUM)],
        budget_usd=0.10,
        inputs=["room.png"],
    ),
    Task(
        "masked-edit",
        "Put a green velvet sofa where sofa-mask.png says into room.png and save it as room-green.png, "
        "medium quality.",
        [picture("room-green.png"), sent(1, endpoint="edits", files=2, quality="medium")],
        budget_usd=0.15,
        inputs=["room.png", "sofa-mask.png"],
    ),
    Task(
        "keep-the-rest",
        "In room.png the sofa is the rectangle from 300,560 to 900,900. Make it blue, low quality, as "
        "blue.png. Not one pixel outside of that rectangle may change. gpt-image2 is installed with "
        "everything.",
        [
            inside("blue.png", "room.png", (SOFA[0], SOFA[1], SOFA[2] + 1, SOFA[3] + 1)),
            sent(1, endpoint="edits"),
        ],
        budget_usd=0.10,
        inputs=["room.png"],
        way="/fault/drift/v1",
    ),
    Task(
        "references",
        "Put the hat of hat.png on the person of person.jpg. Save it as with-hat.png, a draft.",
        [picture("with-hat.png"), sent(1, endpoint="edits", files=2), prompt_has("image 1", "image 2")],
        budget_usd=0.15,
        inputs=["person.jpg", "hat.png"],
    ),
    Task(
        "transparent",
        "I need a sticker of a paper plane without any background, as plane.png.",
        [picture("plane.png", alpha=True), sent(1, background="transparent", quality=_MEDIUM)],
        budget_usd=0.10,
    ),
    Task(
        "chinese-text",
        "画一张海报，上面写着“春茶上市”四个大字，背景是茶园。存为 poster.png。",
        [picture("poster.png"), prompt_has("春茶上市"), sent(1, quality="medium")],
        budget_usd=0.10,
    ),
    Task(
        "exact-size",
        "I need a card for a link preview, a sunrise over hills, low quality: card.jpg, exactly 1200x630 "
        "pixels, JPEG, under 300 KB. gpt-image2 is installed with everything.",
        [picture("card.jpg", format="jpeg", size=(1200, 630), most_bytes=300_000), sent(1, quality=_LOW)],
        budget_usd=0.05,
    ),
    Task(
        "three-versions",
        "Three versions of a logo for a bakery called Rosa, low quality, as logo-1.png, logo-2.png, "
        "logo-3.png.",
        [picture("logo-[123].png", 3), sent(1, n="3", quality=_LOW), prompt_has("Rosa")],
        budget_usd=0.05,
    ),
    Task(
        "gif",
        "Make a small animation of a wave rolling in, wave.gif, six frames, with gpt-image-2.6-flare. I "
        "know that it has no fixed price; up to 20 cents is fine.",
        [picture("wave.gif", format="gif", frames=2), sent(1, output_format="gif", model="gpt-image-2.6-.*")],
        budget_usd=0.20,
    ),
    Task(
        "svg",
        "A logo of a mountain as an SVG file, logo.svg, with gpt-image-2.6-flare. I know that it has no "
        "fixed price; up to 20 cents is fine.",
        [picture("logo.svg", format="svg"), sent(1, output_format="svg", model="gpt-image-2.6-.*")],
        budget_usd=0.20,
    ),
    Task(
        "cost-question",
        "What would 20 pictures of 2048x1152 in high quality cost me? Just the number, don't make any.",
        [requests(0), told(r"3[.,](39|4)")],
        needs=0,
        budget_usd=0.0,
    ),
    Task(
        "spend-question",
        "How much have I spent on pictures so far?",
        [requests(0), told(r"0[.,]0[56]\d*")],
        needs=0,
        budget_usd=0.0,
        before=_PAINTED,
    ),
    Task(
        "which-prompt",
        "What prompt did I use for lake.png?",
        [requests(0), told("mist over the water")],
        needs=0,
        budget_usd=0.0,
        before=_PAINTED,
    ),
    Task(
        "redo",
        "I like lake.png. Paint it again from the same prompt in medium quality, that is 5 cents, I know. "
        "Keep the old one.",
        [sent(1, quality="medium"), prompt_has("mist over the water"), picture("*.png", 1)],
        budget_usd=0.08,
        before=_PAINTED,
    ),
    Task(
        "resume-after-kill",
        "I asked for a picture of a heron (heron.png) and my laptop killed the terminal while it was still"
        " waiting. Is it lost? Get it if you can, but I don't want to pay again.",
        [requests(0), picture("heron.png"), ran("resume")],
        needs=0,
        budget_usd=0.0,
        way="/tasks/jobs:2/v1",
        before=[Before(["generate", "A heron", "-o", "heron.png", "--quality", "low"], killed=True)],
    ),
    Task(
        "relay-profile",
        "Use my profile relay, not the usual server, for a low quality picture of a tram: tram.png.",
        [picture("tram.png"), through("url"), sent(1, quality=_LOW)],
        budget_usd=0.02,
        config={"profiles": {"relay": {"base_url": "{base}/fault/url/v1", "api_key": "sk-relay-0123456789"}}},
    ),
    Task(
        "no-key",
        "Make a picture of a cat, cat.png.",
        [requests(0), told(r"OPENAI_API_KEY|GPT_IMAGE2_API_KEY|config")],
        needs=0,
        budget_usd=0.0,
        config={"api_key": None},
    ),
    Task(
        "moderation",
        "Make a picture of a knight after a battle, knight.png, low quality.",
        [requests(1, 1), told(r"block|moderat|refus|reject|safety|declin")],
        budget_usd=0.0,
        way="/fault/moderation/v1",
    ),
    Task(
        "rate-limit",
        "A low quality picture of a fern, please: fern.png.",
        [requests(2, 1), told(r"rate|limit", r"hour|3600|minutes|later")],
        budget_usd=0.0,
        way="/fault/rate-long/v1",
    ),
    Task(
        "maybe-billed",
        "A low quality picture of an oak, please: oak.png.",
        [
            requests(1, 1),
            told(r"bill|charg|paid|pay|cost", r"may|might|could|possib|unclear|unknown|not (know|sure)"),
        ],
        budget_usd=0.0,
        way="/fault/reset/v1",
    ),
    Task(
        "fewer-images",
        "Three versions of a paper boat, low quality, boat-1.png to boat-3.png.",
        [
            requests(1, 1),
            picture("boat-*.png", 2),
            told(r"2|two", r"[?？]|third|missing|one (fewer|less|short|more)"),
        ],
        budget_usd=0.02,
        way="/fault/fewer/v1",
    ),
    Task(
        "rehearsal",
        "Show me how this would go for a picture of a kite (kite.png), but without paying or using my key:"
        " there is a sandbox, and gpt-image2 is installed with everything.",
        [
            requests(0),
            picture("kite.png"),
            ran("--sandbox"),
            told(r"placeholder|sandbox|not (a )?real|rehears"),
        ],
        needs=0,
        budget_usd=0.02,
    ),
    Task(
        "doctor",
        "Does making pictures work on this machine? Check it, but don't spend anything.",
        [requests(0), ran("doctor"), told(r"key|connect|curl|work|ready|ok")],
        needs=0,
        budget_usd=0.0,
    ),
    Task(
        "finish-a-batch",
        "I made the first two birds of birds.txt into birds/ yesterday, with batch run and low quality. Do"
        " the rest.",
        [requests(3, 3), picture("birds/*.png", 3), sent(3, quality=_LOW)],
        needs=3,
        budget_usd=0.03,
        inputs=["birds.txt"],
        before=[
            Before(
                [
                    "batch",
                    "run",
                    "birds.txt",
                    "--out-dir",
                    "birds",
                    "--quality",
                    "low",
                    "--max-cost",
                    "0.0125",
                ]
            )
        ],
    ),
    Task(
        "batch-api",
        "Make the pictures of prompts.txt into out/ at half the price, by the Batch API, low quality. I "
        "don't mind waiting; fetch them when they are done.",
        [requests(0), in_batches(4), picture("out/*.png", 4)],
        needs=0,
        budget_usd=0.05,
        inputs=["prompts.txt"],
        flags=["--clock-speed", "60"],
    ),
    Task(
        "outpaint",
        "room.png is square. Extend it to the sides to a landscape picture, wide.png, that goes on "
        "naturally, low quality.",
        [picture("wide.png", wider_than=1.2), sent(1, endpoint="edits")],
        budget_usd=0.10,
        inputs=["room.png"],
    ),
    Task(
        "cut-out",
        "mug.png shows a mug before a flat green. Give me mug-cut.png with the green gone, transparent. "
        "You don't need a model for that; gpt-image2 is installed with everything.",
        [requests(0), picture("mug-cut.png", alpha=True, size=(640, 640))],
        needs=0,
        budget_usd=0.0,
        inputs=["mug.png"],
    ),
    Task(
        "studio-link",
        "I'd rather make my pictures myself, in the browser. Start what there is for that and give me the "
        "link; gpt-image2 is installed with everything.",
        [requests(0), ran("studio"), opens(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}")],
        needs=0,
        budget_usd=0.0,
    ),
    Task(
        "keeps-files",
        "Make another picture of a lake, low quality. lake.png is mine, so take another name.",
        [picture("*.png"), sent(1, quality=_LOW), prompt_has("lake")],
        budget_usd=0.02,
        inputs=["lake.png"],
    ),
]

TASKS: Mapping[str, Task] = {task.name: task for task in _ALL}
