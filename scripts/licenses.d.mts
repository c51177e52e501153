export function licensesOf(modules: Iterable<string>): string;
export const kernelLibrary: string;
