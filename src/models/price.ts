/**
 * Writes the price of 10^`places` tokens as the decimal price of one: exact, and never in exponent form. The point of the
 * number's shortest decimal digits is moved; a division would round (0.49299999999999994 / 1e6 is 4.93e-7). Gives
 * undefined for what no price can be.
 */
export function perToken(price: unknown, places: number): string | undefined {
  if (typeof price !== "number" || !isPlausible(price)) return undefined;
  if (price === 0) return "0";
  const [mantissa = "0", exponent = "0"] = price.toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const point = 1 + Number(exponent) - places;
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return digits + "0".repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

// Nobody takes a dollar for a token, nor the billionth part of a cent for a million; NaN is neither.
const LEAST = 1e-11;
const MOST = 1e6;

function isPlausible(price: number): boolean {
  return price === 0 || (price >= LEAST && price <= MOST);
}
