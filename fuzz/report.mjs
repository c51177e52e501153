// What a run of the fuzzer says at its end.

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

export function printReport(name, report, seed) {
  const { inputs, seconds, results, errors, faults, slowest, slowestIndex, peakBytes, bufferBytes, findings } = report;
  const rate = Math.round(inputs / Math.max(seconds, 1e-3));
  const share = (count) => `${((100 * count) / Math.max(inputs, 1)).toFixed(1)} %`;
  const list = (record) =>
    Object.entries(record)
      .sort(([, a], [, b]) => b - a)
      .map(([key, count]) => `${key} ${count} (${share(count)})`)
      .join(", ") || "none";
  console.log(`\n${name}: ${inputs} inputs, ${rate}/s`);
  console.log(`  results   ${list(results)}`);
  console.log(`  errors    ${list(errors)}; ${Object.keys(faults).length} different messages`);
  console.log(
    `  peak      ${megabytes(peakBytes)}, largest buffer ${bufferBytes} bytes; slowest ${slowest.toFixed(0)} ms (input ${slowestIndex})`,
  );
  for (const { index, kind, detail, times, path } of findings) {
    console.log(`  FINDING   ${kind}, ${times} times, first at input ${index} (seed ${seed}): ${path}`);
    console.log(detail.slice(0, 1200).replace(/^/gm, "            "));
  }
}

/** Every message with its count, rarest last. */
export function printFaults({ faults }) {
  for (const [pattern, count] of Object.entries(faults).sort(([, a], [, b]) => b - a)) {
    console.log(`  ${String(count).padStart(9)}  ${pattern}`);
  }
}
