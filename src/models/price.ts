/**
 * Converts the price of 10^`places` tokens to the price of one, as an exact decimal string without exponent. It moves
 * the decimal point in the number's shortest digits; a division would round (0.49299999999999994 / 1e6 is 4.93e-7).
 * Gives undefined for anything but a plausible price.
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

// For a million tokens, a plausible price is between a billionth of a cent and a million dollars. NaN is in no range.
const MIN_PRICE = 1e-11;
const MAX_PRICE = 1e6;

function isPlausible(price: number): boolean {
  return price === 0 || (price >= MIN_PRICE && price <= MAX_PRICE);
}
