// What every runtime and bundle runs: one hash over factors of a made matrix, by SVD and by p = 1. It uses what all of them have.

/** 700 x 24, a few rows far from the others; whole numbers over a power of two, so that no engine rounds. */
function made() {
  const [rows, cols] = [700, 24];
  const data = Float32Array.from({ length: rows * cols }, (_, at) => {
    const far = Math.floor(at / cols) % 97 === 5 ? 64 : 1;
    return (far * (((at * 7919) % 1031) - 515)) / 256;
  });
  return { data, rows, cols };
}

/**
 * @param createLoewner that of the package under test
 * @param options its options
 * @returns SHA-256 in hexadecimal
 */
export async function answer(createLoewner, options = {}) {
  const loewner = await createLoewner({ threadBytes: 0, ...options });
  const bytes = [];
  for (const p of [1, 2]) {
    const { left, right } = await loewner.lowRank(made(), { rank: 7, p });
    for (const { data } of [left, right]) bytes.push(...new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  loewner.dispose();
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.from(bytes));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
