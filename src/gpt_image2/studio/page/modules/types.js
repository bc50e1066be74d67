// What the server tells, as types. Holds no code.

/** @typedef {{ width: number | null, height: number | null, format: string, bytes: number, sha256: string }} Picture */
/**
 * @typedef {object} Card A picture, or a request that has none.
 * @property {string} id
 * @property {number | null} request
 * @property {string} started_at
 * @property {string} command
 * @property {string} model
 * @property {string} prompt
 * @property {string} status
 * @property {"no" | "maybe" | "yes"} billed
 * @property {number | null} cost_usd
 * @property {boolean} sandbox
 * @property {string | null} error_code
 * @property {string | null} method how a finished picture was made, null for one as the model sent it
 * @property {Picture | null} picture
 * @property {boolean} is_starred
 * @property {string[]} collections their names
 */
/**
 * @typedef {object} Call One click.
 * @property {string} id
 * @property {Record<string, string | number | boolean>} fields
 * @property {string[]} inputs
 * @property {string[]} names
 * @property {string | null} mask
 * @property {string | null} markup
 * @property {Record<string, string | boolean>} wishes
 * @property {"unsent" | "queued" | "running" | "done" | "failed" | "cancelled"} state
 * @property {string} model
 * @property {number} begun_at_s
 * @property {number | null} sent_at_s
 * @property {number | null} elapsed_s
 * @property {number | null} typical_s
 * @property {number} attempt
 * @property {number} previews
 * @property {Picture[]} images
 * @property {string[]} warnings
 * @property {string[]} notes
 * @property {"no" | "maybe" | "yes"} billed
 * @property {number | null} cost_usd
 * @property {boolean} sandbox
 * @property {{ code: string, message: string, hint: string, retry_safe: boolean } | null} error
 */
/** @typedef {{ max_cost_usd: number | null, spent_usd: number, held_usd: number, left_usd: number | null }} Budget */
/** @typedef {{ id: string, asker: string, command: string, model: string, prompt: string, high_usd: number | null, until_s: number }} Question */
/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string[]} qualities
 * @property {string[]} output_formats
 * @property {boolean} takes_complexity
 * @property {boolean} takes_markup
 */
/**
 * @typedef {object} StudioState What the studio was started with.
 * @property {string} output_dir
 * @property {Budget} budget
 * @property {Model[]} models
 * @property {string[]} backgrounds
 * @property {string[]} complexities
 * @property {Record<string, string>} sizes
 * @property {string} model
 * @property {string} base_url
 * @property {string} profile
 * @property {boolean} history
 * @property {string | null} problem
 */
/**
 * @typedef {object} Price
 * @property {{ low: number, high: number } | null} estimate_usd
 * @property {string} note
 * @property {[number, number] | null} size
 * @property {number} typical_s
 * @property {string[]} warnings
 */
/** @typedef {{ id: string, name: string, source: string }} Input It is sent under its name; `source` is an address for an <img>. */
/**
 * @typedef {object} Form What the next click asks for. Empty texts are left to the server.
 * @property {string} prompt
 * @property {string} model
 * @property {string} size
 * @property {string} quality
 * @property {number} n
 * @property {string} output_format
 * @property {string} background
 * @property {number} partial_images
 * @property {Input[]} inputs
 * @property {{ id: string, share: number, painting: import("./painting/drawing.js").Painting } | null} mask
 * @property {{ id: string, painting: import("./painting/drawing.js").Painting } | null} markup
 * @property {boolean} keep_outside
 * @property {string} exact
 * @property {string} extend
 * @property {string} to
 */
export {};
