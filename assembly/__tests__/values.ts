// Numbers that tests are made of.

/** Counter-based, uniform in [-0.5, 0.5), nothing symmetric about it. */
export function noise(i: u32): f64 {
  let h = i * 0x9e3779b1;
  h = (h ^ (h >> 16)) * 0x85ebca6b;
  h = (h ^ (h >> 13)) * 0xc2b2ae35;
  return <f64>(h ^ (h >> 16)) / 4294967296.0 - 0.5;
}

/** What 16 bits mean in IEEE half precision, by the definition. */
export function halfBits(h: u32): f64 {
  const sign = h & 0x8000 ? -1.0 : 1.0;
  const exponent = <i32>((h >> 10) & 31), fraction = <f64>(h & 1023);
  if (exponent == 31) return fraction == 0 ? sign * Infinity : NaN;
  if (exponent == 0) return sign * fraction * Math.pow(2, -24);
  return sign * (1024 + fraction) * Math.pow(2, <f64>(exponent - 25));
}
