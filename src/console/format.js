const tokens = new Intl.NumberFormat("en-US");

/**
 * Writes a number of tokens or models, every digit of it.
 * @param {number} count
 */
export const counted = (count) => tokens.format(count);

/** @param {number} count */
export const modelCount = (count) => `${counted(count)} ${count === 1 ? "model" : "models"}`;

/**
 * Writes a price in dollars: two digits after the point, or as many as it takes to tell it from others, never an exponent.
 * @param {number} dollars
 * @returns {string}
 */
export function price(dollars) {
  if (dollars === 0) return "free";
  // Six digits that count: 0.8999999999999999 is 0.90 to a person.
  const digits = Math.max(2, 5 - Math.floor(Math.log10(dollars)));
  const written = dollars.toFixed(Math.min(20, digits)).replace(/(\.\d\d\d*?)0+$/, "$1");
  return `$${dollars >= 1000 ? tokens.format(Math.round(dollars)) : written}`;
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const isLarge = bytes >= 999_500;
  const value = bytes / (isLarge ? 1e6 : 1e3);
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${isLarge ? "MB" : "kB"}`;
}

/**
 * Writes how long something took.
 * @param {number} ms
 * @returns {string}
 */
export function took(ms) {
  if (ms < 1000) return `${ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/**
 * Writes a number of seconds as a person says it.
 * @param {number} seconds
 * @returns {string}
 */
export function span(seconds) {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/**
 * Writes the time of day, with the day where it is another one.
 * @param {number} at milliseconds since the epoch
 * @param {number} now milliseconds since the epoch
 * @returns {string}
 */
export function clock(at, now) {
  const [date, today] = [new Date(at), new Date(now)];
  const time = date.toLocaleTimeString("en-GB");
  if (date.toDateString() === today.toDateString()) return time;
  return `${time} on ${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}`;
}
