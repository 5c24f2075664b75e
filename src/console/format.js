const numberFormat = new Intl.NumberFormat("en-US");

/**
 * Formats a number of tokens or models: `1,048,576`.
 * @param {number} count
 */
export const formatCount = (count) => numberFormat.format(count);

/** @param {number} count */
export const formatModelCount = (count) => `${formatCount(count)} ${count === 1 ? "model" : "models"}`;

/**
 * Formats a price in dollars: up to six significant digits, at least two decimals below $1000, never an exponent.
 * @param {number} dollars
 * @returns {string}
 */
export function formatPrice(dollars) {
  if (dollars === 0) return "free";
  // Rounds 0.8999999999999999 to 0.90.
  const digits = Math.max(2, 5 - Math.floor(Math.log10(dollars)));
  const decimals = dollars.toFixed(Math.min(20, digits)).replace(/(\.\d\d\d*?)0+$/, "$1");
  return `$${dollars >= 1000 ? numberFormat.format(Math.round(dollars)) : decimals}`;
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const isLarge = bytes >= 999_500;
  const value = bytes / (isLarge ? 1e6 : 1e3);
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${isLarge ? "MB" : "kB"}`;
}

/**
 * Formats a measured duration: `0.4 ms`, `12 ms`, `2.35 s`.
 * @param {number} ms
 * @returns {string}
 */
export function formatMs(ms) {
  if (ms < 1000) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/**
 * Formats whole seconds: `59 s`, `2 min`, `2 h 1 min`, `2 days`.
 * @param {number} seconds
 * @returns {string}
 */
export function formatSeconds(seconds) {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/**
 * Formats a local time of day, with the date unless it is today.
 * @param {number} at milliseconds since the epoch
 * @param {number} now milliseconds since the epoch
 * @returns {string}
 */
export function formatTime(at, now) {
  const [date, today] = [new Date(at), new Date(now)];
  const time = date.toLocaleTimeString("en-GB");
  if (date.toDateString() === today.toDateString()) return time;
  return `${time} on ${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}`;
}
