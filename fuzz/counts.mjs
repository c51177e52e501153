/** What a process counts, and what is added up over all of them. */
export const noCounts = () => ({
  inputs: 0,
  results: {},
  errors: {},
  faults: {},
  slowest: 0,
  slowestIndex: -1,
  peakBytes: 0,
  bufferBytes: 0,
});
