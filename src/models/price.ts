/**
 * Converts the price of 10^`places` tokens to the price of one, as an exact decimal string, never in exponent form. It moves
 * the decimal point in the number's shortest digits; a division would round (0.49299999999999994 / 1e6 is 4.93e-7).
 * Gives undefined for implausible prices.
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

// No model costs a dollar a token, nor a billionth of a cent for a million; NaN is out of range too.
const LEAST = 1e-11;
const MOST = 1e6;

function isPlausible(price: number): boolean {
  return price === 0 || (price >= LEAST && price <= MOST);
}
