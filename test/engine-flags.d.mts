/** Of V8, for the processes of the tests. */
export const engineFlags: string[];
