// The one store: what the page knows, as signals. It is changed only by the functions of the modules that load
// and save; views read it.
import { computed, signal } from "./view.js";

/** @type {import("../vendor/signals-core.js").Signal<import("./types.js").StudioState | null>} */
export const studio = signal(null);

/** Whether the server can be heard: "here", "away" (it is tried again), or "gone" (it knows this page no more). */
export const connection = signal(/** @type {"here" | "away" | "gone"} */ ("away"));

/** @type {import("../vendor/signals-core.js").Signal<Map<string, import("./types.js").Call>>} */
export const calls = signal(new Map());

/** @type {import("../vendor/signals-core.js").Signal<import("./types.js").Budget | null>} */
export const budget = signal(null);

/** Calls of agents that wait for a yes. @type {import("../vendor/signals-core.js").Signal<import("./types.js").Question[]>} */
export const approvals = signal([]);

/** The gallery: cards by their place, of which some are not loaded yet. */
export const gallery = signal({
  /** @type {(import("./types.js").Card | undefined)[]} */ cards: [],
  total: 0,
  requests: 0,
  cost_usd: 0,
  maybe_billed: 0,
  isLoaded: false,
});

/** @type {import("../vendor/signals-core.js").Signal<Record<string, string[]>>} */
export const choices = signal({});

/** @type {import("../vendor/signals-core.js").Signal<Record<string, string>>} */
export const filters = signal({});

/** Cards that are hidden while an undo is still possible, by id. */
export const hidden = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** Chosen cards, by id, in the order in which they were chosen. */
export const chosen = signal(/** @type {readonly string[]} */ ([]));

/** The card that is looked at. */
export const looked = signal(/** @type {import("./types.js").Card | null} */ (null));

/** @type {import("../vendor/signals-core.js").Signal<"" | "help" | "compare" | "mask" | "markup" | "versions" | "spending" | "settings">} */
export const dialog = signal("");

/** On narrow screens one of the two is shown. */
export const tab = signal(/** @type {"make" | "gallery"} */ ("gallery"));

/** Seconds since 1970, moving while calls are under way. */
export const now = signal(Date.now() / 1000);

export const running = computed(() =>
  [...calls.value.values()].filter((call) => call.state === "running" || call.state === "queued"),
);
