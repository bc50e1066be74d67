// Numbers and times as people read them.
import { language, t } from "./i18n.js";

/** @param {number} usd */
export function money(usd) {
  return `$${usd.toFixed(usd !== 0 && usd < 1 ? 4 : 2)}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {string} moment as the ledger has it, UTC */
export function when(moment) {
  const time = new Date(moment);
  if (Number.isNaN(time.getTime())) return moment;
  const locale = language.value === "zh" ? "zh-CN" : "en-GB";
  return time.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} bytes */
export function weight(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What a call costs. @param {import("./types.js").Price | null} price */
export function priceInWords(price) {
  if (!price) return "";
  if (!price.estimate_usd) return t("priceUnknown");
  const { low, high } = price.estimate_usd;
  return money(low) === money(high) ? money(low) : `${money(low)} – ${money(high)}`;
}
