// The words of the page, in English and Chinese. Texts of servers and prompts stay as they are.
import { signal } from "./view.js";
import { english } from "./words/en.js";
import { chinese } from "./words/zh.js";

const KEPT = "studio-language";
const WORDS = { en: english, zh: chinese };

/** @type {import("../vendor/signals-core.js").Signal<"en" | "zh">} */
export const language = signal(first());

/** @returns {"en" | "zh"} */
function first() {
  const kept = localStorage.getItem(KEPT);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** @param {"en" | "zh"} name */
export function speak(name) {
  localStorage.setItem(KEPT, name);
  language.value = name;
  document.documentElement.lang = name === "zh" ? "zh-Hans" : "en";
}

/**
 * The words for a thing; `{name}` in them stands for a value.
 * @param {keyof typeof english} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return WORDS[language.value][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}
